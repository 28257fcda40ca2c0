-- One row per shipping charge of an order, in the shop's currency.
--
-- Removed charges are here, flagged.
--
--! kind     = "view"
--! key      = ["order_shipping_line_id"]
--! not_null = ["order_id", "discounted_amount"]
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
        unnest("shippingLines") as line
    from raw.shopify.orders
),

flat as (
    select
        id,
        _extracted_at,
        split_part(line['id'], '/', -1) as order_shipping_line_id,
        line['title'] as shipping_title,
        line['code'] as shipping_code,
        coalesce(line['isRemoved'], false) as is_removed,
        line['originalPriceSet']['shopMoney']['amount'] as original_amount,
        coalesce(
            line['discountedPriceSet']['shopMoney']['amount'],
            line['originalPriceSet']['shopMoney']['amount'],
            0
        ) as discounted_amount,
        coalesce(line['discountedPriceSet']['shopMoney']['currencyCode'], order_currency_code)
            as currency_code
    from exploded
)

select
    flat.order_shipping_line_id,            -- numeric id, as text
    split_part(flat.id, '/', -1) as order_id,
    flat.shipping_title,
    flat.shipping_code,
    flat.is_removed,                        -- taken off again by an edit
    flat.original_amount,
    cast(flat.discounted_amount as decimal(18, 4)) as discounted_amount, -- what the buyer was charged
    flat.currency_code,                     -- ISO 4217; the unit of every *_amount here
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
