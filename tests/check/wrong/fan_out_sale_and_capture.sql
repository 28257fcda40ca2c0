-- One row per order with what was refunded and taxed, and how it was paid.
--
-- The sale and the capture of one order are two transactions: its refund and its tax count twice.
--
--! kind = "full"
--! key  = ["order_id"]
with

orders as (
    select * from stg_shopify__orders
),

transactions as (
    select * from stg_shopify__transactions
    where transaction_kind in ('sale', 'capture')
),

orders_with_payment as (
    select
        orders.order_id,
        orders.currency_code,
        orders.refund_amount,
        orders.tax_amount,
        transactions.transaction_amount
    from orders
    left join transactions on orders.order_id = transactions.order_id
)

select
    order_id,
    currency_code,
    cast(sum(refund_amount) as decimal(18, 4)) as refund_amount,
    cast(sum(tax_amount) as decimal(18, 4)) as tax_amount,
    cast(sum(transaction_amount) as decimal(18, 4)) as paid_amount
from orders_with_payment
group by order_id, currency_code
--? E040 32:10
--? E040 33:10
