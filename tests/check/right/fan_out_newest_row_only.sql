-- One row per customer_id.
--
--! kind = "full"
--! key  = ["customer_id"]
with

ranked as (
    select
        *,
        row_number() over (
            partition by order_id
            order by created_at desc, transaction_id
        ) as place
    from stg_shopify__transactions
),

newest as (
    select * from ranked
    where place = 1
)

select
    orders.customer_id,
    sum(orders.item_count) as item_count
from stg_shopify__orders as orders
left join newest on orders.order_id = newest.order_id
group by orders.customer_id
