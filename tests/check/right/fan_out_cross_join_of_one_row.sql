-- One row per customer_id.
--
--! kind = "full"
--! key  = ["customer_id"]
with

newest as (
    select max(order_date) as newest_date
    from stg_shopify__orders
)

select
    orders.customer_id,
    sum(orders.item_count) as item_count
from stg_shopify__orders as orders
cross join newest
group by orders.customer_id
