-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    uuid() as row_id
from stg_shopify__orders
--? E045 7:5
