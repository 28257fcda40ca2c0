-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    interval '1 day' as grace
from stg_shopify__orders
--? E020 7:25
