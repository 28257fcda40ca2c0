-- One row per movement of the Stripe balance: what came or went, the fee kept, what remained.
--
--! kind       = "merge"
--! key        = ["stripe_balance_transaction_id"]
--! changed_by = ["stripe_balance_transaction_id"]
--! not_null   = ["currency_code", "transaction_amount", "fee_amount"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.stripe.balance_transactions
    group by id
),

versions as (
    select
        id,
        _extracted_at,
        source as source_id,
        type as transaction_type,
        reporting_category,
        status as transaction_status,
        upper(coalesce(currency, 'usd')) as currency_code,
        coalesce(amount, 0) as amount_minor,
        coalesce(fee, 0) as fee_minor,
        coalesce(net, 0) as net_minor,
        exchange_rate as fx_rate,
        created as created_at,
        available_on as available_at
    from raw.stripe.balance_transactions
)

select
    versions.id as stripe_balance_transaction_id,
    versions.source_id,                     -- the charge, refund, dispute, .. that moved it
    versions.transaction_type,              -- charge, refund, payout, stripe_fee, ..
    versions.reporting_category,
    versions.transaction_status,            -- pending or available
    versions.currency_code,                 -- ISO 4217 of the balance, not of the buyer
    minor_to_amount(versions.amount_minor, versions.currency_code) as transaction_amount, -- signed
    minor_to_amount(versions.fee_minor, versions.currency_code) as fee_amount, -- positive: kept by Stripe
    minor_to_amount(versions.net_minor, versions.currency_code) as net_amount, -- amount - fee
    versions.fx_rate,                       -- buyer's currency to the balance's; null when equal
    versions.created_at,                    -- UTC
    versions.available_at,                  -- UTC
    versions._extracted_at as extracted_at  -- UTC
from versions
inner join newest
    on versions.id = newest.id
    and cast(versions._extracted_at as bigint) = newest.newest_version
