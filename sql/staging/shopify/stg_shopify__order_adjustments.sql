-- One row per adjustment of a refund: money that moved without a line (goodwill, discrepancies).
--
-- The sign is Shopify's: negative when the buyer was given extra.
--
--! kind       = "merge"
--! key        = ["order_adjustment_id"]
--! changed_by = ["order_id"]
--! not_null   = ["refund_id", "order_id", "adjustment_amount"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.orders
    group by id
),

refunds as (
    select
        id,
        _extracted_at,
        "currencyCode" as order_currency_code,
        unnest(refunds) as refund
    from raw.shopify.orders
),

parts as (
    select
        id,
        _extracted_at,
        order_currency_code,
        split_part(refund['id'], '/', -1) as refund_id,
        unnest(refund['orderAdjustments']) as part
    from refunds
),

flat as (
    select
        id,
        _extracted_at,
        refund_id,
        split_part(part['id'], '/', -1) as order_adjustment_id,
        part['reason'] as adjustment_reason,
        coalesce(part['amountSet']['shopMoney']['amount'], 0) as adjustment_amount,
        coalesce(part['taxAmountSet']['shopMoney']['amount'], 0) as tax_amount,
        coalesce(part['amountSet']['shopMoney']['currencyCode'], order_currency_code)
            as currency_code
    from parts
)

select
    flat.order_adjustment_id,               -- numeric id, as text
    flat.refund_id,
    split_part(flat.id, '/', -1) as order_id,
    flat.adjustment_reason,
    cast(flat.adjustment_amount as decimal(18, 4)) as adjustment_amount, -- negative: given back
    cast(flat.tax_amount as decimal(18, 4)) as tax_amount,
    flat.currency_code,                     -- ISO 4217; the unit of every *_amount here
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
