-- One row per customer_id.
--
--! kind = "full"
--! key  = ["customer_id"]
with

paid as (
    select distinct order_id
    from stg_shopify__transactions
)

select
    orders.customer_id,
    sum(orders.item_count) as item_count
from stg_shopify__orders as orders
inner join paid on orders.order_id = paid.order_id
group by orders.customer_id
