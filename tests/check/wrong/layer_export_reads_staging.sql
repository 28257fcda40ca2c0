-- One row per order.
--
--! kind        = "full"
--! destination = "klaviyo"
select customer_id
from stg_shopify__orders
--? as sql/exports/klaviyo_orders.sql
--? E007 6:6
