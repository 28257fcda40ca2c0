-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select order_id
from stg_shopify__orders
where item_count > '10'
--? E015 7:7
