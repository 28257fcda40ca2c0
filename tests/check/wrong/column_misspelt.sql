-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    curency_code
from stg_shopify__orders
--? E011 7:5
