-- One row per customer with their newest order.
--
--! kind       = "merge"
--! key        = ["order_id"]
--! changed_by = ["order_id"]
select
    customer_id,
    max(order_id) as order_id
from stg_shopify__orders
group by customer_id
--? E035 5:20
