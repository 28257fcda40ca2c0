-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select order_id
from stg_shopify__orders
where is_tested
--? E011 7:7
