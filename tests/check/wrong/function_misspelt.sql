-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    uper(customer_id) as customer_id
from stg_shopify__orders
--? E012 7:5
