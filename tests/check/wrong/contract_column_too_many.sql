-- One row per order.
--
--! kind    = "full"
--! key     = ["order_id"]
--! columns = ["order_id text"]
select
    order_id,
    customer_id
from stg_shopify__orders
--? E033 8:5
