-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    sum(gross_amount) as gross_amount
from stg_shopify__order_lines
group by order_id
--? E022 7:26
