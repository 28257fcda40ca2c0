-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select order_id
from stg_shopify__orders
limit 10
--? E046 7:7
