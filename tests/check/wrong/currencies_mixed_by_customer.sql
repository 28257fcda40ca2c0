-- One row per customer_id.
--
--! kind = "full"
--! key  = ["customer_id"]
with

orders as (
    select
        customer_id,
        total_amount
    from stg_shopify__orders
)

select
    customer_id,
    cast(avg(orders.total_amount) as decimal(18, 4)) as average_amount
from orders
group by customer_id
--? E042 16:10
