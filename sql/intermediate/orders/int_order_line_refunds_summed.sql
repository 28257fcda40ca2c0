-- One row per order line that was refunded: how many of its units were given back in all.
--
--! kind     = "view"
--! key      = ["order_line_id"]
--! not_null = ["refunded_quantity"]
select
    order_id,
    order_line_id,
    sum(quantity) as refunded_quantity      -- units, over all refunds
from stg_shopify__refund_lines
group by order_id, order_line_id
