-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
from stg_shopify__orders
--? E004 7:1
