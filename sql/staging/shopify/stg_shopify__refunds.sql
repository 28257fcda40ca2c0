-- One row per refund of an order: when, and how much went back.
--
-- What was given back for is in `stg_shopify__refund_lines`, `stg_shopify__refund_shipping_lines`
-- and `stg_shopify__order_adjustments`.
--
--! kind       = "merge"
--! key        = ["refund_id"]
--! changed_by = ["order_id"]
--! not_null   = ["order_id", "refunded_at"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.orders
    group by id
),

exploded as (
    select
        id,
        _extracted_at,
        "currencyCode" as order_currency_code,
        unnest(refunds) as refund
    from raw.shopify.orders
),

flat as (
    select
        id,
        _extracted_at,
        split_part(refund['id'], '/', -1) as refund_id,
        refund['createdAt'] as refunded_at,
        refund['processedAt'] as processed_at,
        refund['totalRefundedSet']['shopMoney']['amount'] as refund_amount,
        coalesce(refund['totalRefundedSet']['shopMoney']['currencyCode'], order_currency_code)
            as currency_code
    from exploded
)

select
    flat.refund_id,                         -- numeric id, as text
    split_part(flat.id, '/', -1) as order_id,
    flat.refund_amount,                     -- all that went back, tax included
    flat.currency_code,                     -- ISO 4217
    flat.refunded_at,                       -- UTC; when it was created
    flat.processed_at,                      -- UTC
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
