-- One row per transaction in the shop's currency.
--
--! kind = "full"
--! key  = ["transaction_id"]
with

transactions as (
    select
        transaction_id,
        transaction_amount,
        exchange_rate as fx
    from stg_shopify__transactions
)

select
    transaction_id,
    cast(transaction_amount / coalesce(fx, 1) as decimal(18, 4)) as reporting_amount
from transactions
--? E043 17:31
