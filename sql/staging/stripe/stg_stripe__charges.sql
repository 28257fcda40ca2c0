-- One row per charge, with the shop's order that its metadata names.
--
--! kind       = "merge"
--! key        = ["stripe_charge_id"]
--! changed_by = ["stripe_charge_id"]
--! not_null   = ["currency_code"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.stripe.charges
    group by id
),

versions as (
    select
        id,
        _extracted_at,
        balance_transaction as stripe_balance_transaction_id,
        payment_intent as stripe_payment_intent_id,
        (regexp_match(metadata, '"order_id"[[:space:]]*:[[:space:]]*"?([^",}[:space:]]+)'))[1]
            as order_id,
        status as charge_status,
        upper(coalesce(currency, 'usd')) as currency_code,
        coalesce(amount, 0) as amount_minor,
        coalesce(amount_refunded, 0) as refunded_minor,
        coalesce(paid, false) as is_paid,
        coalesce(disputed, false) as is_disputed,
        created as created_at
    from raw.stripe.charges
)

select
    versions.id as stripe_charge_id,
    versions.stripe_balance_transaction_id,
    versions.stripe_payment_intent_id,
    versions.order_id,                      -- `order_id` of the metadata; null when it has none
    versions.charge_status,                 -- succeeded, pending or failed
    versions.is_paid,
    versions.is_disputed,
    versions.currency_code,                 -- ISO 4217; what the buyer paid in
    minor_to_amount(versions.amount_minor, versions.currency_code) as charge_amount,
    minor_to_amount(versions.refunded_minor, versions.currency_code) as refunded_amount,
    versions.created_at,                    -- UTC
    versions._extracted_at as extracted_at  -- UTC
from versions
inner join newest
    on versions.id = newest.id
    and cast(versions._extracted_at as bigint) = newest.newest_version
