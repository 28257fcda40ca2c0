-- One row per customer.
--
--! kind = "full"
--! key  = ["customer_id"]
select
    customer_id,
    count(*) as order_count,
    min(order_date) as first_order_date
from stg_shopify__orders
group by customer_id
