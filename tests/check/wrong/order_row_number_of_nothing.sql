-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    row_number() over (partition by customer_id) as order_number
from stg_shopify__orders
--? E046 7:5
