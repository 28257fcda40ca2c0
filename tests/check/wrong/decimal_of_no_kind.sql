-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(item_count as decimal(10, 2)) as item_number
from stg_shopify__orders
--? E024 7:43
