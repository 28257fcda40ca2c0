-- One row per part of a balance transaction's fee: Stripe's own, an application's, tax on either.
--
--! kind     = "view"
--! key      = ["stripe_balance_transaction_id", "fee_number"]
--! not_null = ["fee_amount"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.stripe.balance_transactions
    group by id
),

exploded as (
    select
        id,
        _extracted_at,
        currency as balance_currency,
        unnest(range(1, cast(array_length(fee_details) as bigint) + 1)) as fee_number,
        unnest(fee_details) as fee
    from raw.stripe.balance_transactions
    where array_length(fee_details) > 0
),

flat as (
    select
        id,
        _extracted_at,
        fee_number,
        fee['type'] as fee_type,
        fee['description'] as fee_description,
        upper(coalesce(fee['currency'], balance_currency, 'usd')) as currency_code,
        coalesce(fee['amount'], 0) as fee_minor
    from exploded
)

select
    flat.id as stripe_balance_transaction_id,
    flat.fee_number,                        -- place in the list, from 1
    flat.fee_type,                          -- stripe_fee, application_fee, tax
    flat.fee_description,
    flat.currency_code,                     -- ISO 4217
    minor_to_amount(flat.fee_minor, flat.currency_code) as fee_amount,
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
