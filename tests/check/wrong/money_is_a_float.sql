-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(total_amount as double) as total_amount
from stg_shopify__orders
--? E021 7:37
