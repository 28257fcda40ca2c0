-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select order_id
from stg_shopify__orders
where random() < 0.5
--? E045 7:7
