-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select order_id
from stg_shopify__orders
where order_date >= '1.11.2026'
--? E015 7:7
