-- One row per order.
--
--! kind = "view"
select order_id
from stg_shopify__orders
--? as stg_shopify__open_orders.sql
--? E007 5:6
