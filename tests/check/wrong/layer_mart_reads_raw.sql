-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select id as order_id
from raw.shopify.orders
--? as fct_orders.sql
--? E007 6:6
