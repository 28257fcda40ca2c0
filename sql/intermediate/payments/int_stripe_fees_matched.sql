-- One row per fee that Stripe kept, with the order it was paid for, or why there is none.
--
-- The way from fee to order is balance transaction, charge (for a refund: its charge), metadata.
-- A fee of the account itself (`stripe_fee`) is a movement of its own and belongs to no order.
-- A refund gives no fee back: Stripe books none on it.
--
--! kind       = "merge"
--! key        = ["stripe_balance_transaction_id"]
--! changed_by = ["stripe_balance_transaction_id"]
--! not_null   = ["fee_amount", "currency_code", "event_date"]
with

zone as (
    select * from int_shop_time_zones_chosen
),

transactions as (
    select * from stg_stripe__balance_transactions
    where fee_amount <> 0 or transaction_type = 'stripe_fee'
),

fees as (
    select
        transactions.stripe_balance_transaction_id,
        transactions.source_id,
        transactions.fee_amount
            + case
                when transactions.transaction_type = 'stripe_fee'
                then -transactions.transaction_amount
                else 0
            end as fee_amount,
        transactions.currency_code,
        local_date(transactions.created_at, zone.time_zone) as event_date
    from zone
    cross join transactions
),

refunds as (
    select * from stg_stripe__refunds
),

charges as (
    select * from stg_stripe__charges
    where order_id is not null
),

orders as (
    select * from int_orders_itemized
),

fees_with_charge as (
    select
        fees.stripe_balance_transaction_id,
        coalesce(refunds.stripe_charge_id, fees.source_id) as stripe_charge_id,
        fees.fee_amount,
        fees.currency_code,
        fees.event_date
    from fees
    left join refunds on fees.source_id = refunds.stripe_refund_id
)

select
    fees_with_charge.stripe_balance_transaction_id,
    orders.order_id,                        -- null when no order is known
    case when orders.order_id is null then 'no_matching_order' end as unmatched_reason,
    cast(fees_with_charge.fee_amount as decimal(18, 4)) as fee_amount, -- positive: kept by Stripe
    fees_with_charge.currency_code,         -- ISO 4217; the balance's
    fees_with_charge.event_date             -- shop's day
from fees_with_charge
left join charges on fees_with_charge.stripe_charge_id = charges.stripe_charge_id
left join orders on charges.order_id = orders.order_id
where fees_with_charge.fee_amount <> 0
