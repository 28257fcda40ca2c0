-- One row per refund of a charge.
--
--! kind       = "merge"
--! key        = ["stripe_refund_id"]
--! changed_by = ["stripe_refund_id"]
--! not_null   = ["currency_code"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.stripe.refunds
    group by id
),

versions as (
    select
        id,
        _extracted_at,
        charge as stripe_charge_id,
        balance_transaction as stripe_balance_transaction_id,
        status as refund_status,
        reason as refund_reason,
        upper(coalesce(currency, 'usd')) as currency_code,
        coalesce(amount, 0) as amount_minor,
        created as created_at
    from raw.stripe.refunds
)

select
    versions.id as stripe_refund_id,
    versions.stripe_charge_id,
    versions.stripe_balance_transaction_id,
    versions.refund_status,
    versions.refund_reason,
    versions.currency_code,                 -- ISO 4217
    minor_to_amount(versions.amount_minor, versions.currency_code) as refund_amount, -- positive
    versions.created_at,                    -- UTC
    versions._extracted_at as extracted_at  -- UTC
from versions
inner join newest
    on versions.id = newest.id
    and cast(versions._extracted_at as bigint) = newest.newest_version
