-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
with

orders as (
    select order_id from stg_shopify__orders
)

select
    orders.order_id,
    orders.total_amount
from orders
--? E011 13:5
