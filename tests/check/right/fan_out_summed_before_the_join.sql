-- One row per customer_id and currency_code.
--
--! kind = "full"
--! key  = ["customer_id", "currency_code"]
with

refunds as (
    select
        order_id,
        currency_code,
        sum(refund_amount) as refund_amount
    from stg_shopify__refunds
    group by order_id, currency_code
),

transactions as (
    select
        order_id,
        currency_code,
        sum(transaction_amount) as paid_amount
    from stg_shopify__transactions
    where transaction_kind in ('sale', 'capture')
    group by order_id, currency_code
)

select
    orders.customer_id,
    orders.currency_code,
    cast(sum(orders.total_amount) as decimal(18, 4)) as total_amount,
    cast(sum(refunds.refund_amount) as decimal(18, 4)) as refund_amount,
    cast(sum(transactions.paid_amount) as decimal(18, 4)) as paid_amount
from stg_shopify__orders as orders
left join refunds
    on orders.order_id = refunds.order_id
    and orders.currency_code = refunds.currency_code
left join transactions
    on orders.order_id = transactions.order_id
    and orders.currency_code = transactions.currency_code
group by orders.customer_id, orders.currency_code
