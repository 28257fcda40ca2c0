-- One row per discount allocated to an order line, as Shopify allocated it.
--
-- Order-wide codes are here too, already split over the lines by Shopify.
--
--! kind     = "view"
--! key      = ["order_line_id", "allocation_number"]
--! not_null = ["discount_amount"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.orders
    group by id
),

lines as (
    select
        id,
        _extracted_at,
        "currencyCode" as order_currency_code,
        unnest("lineItems") as line
    from raw.shopify.orders
),

allocations as (
    select
        id,
        _extracted_at,
        order_currency_code,
        split_part(line['id'], '/', -1) as order_line_id,
        unnest(range(1, cast(array_length(line['discountAllocations']) as bigint) + 1))
            as allocation_number,
        unnest(line['discountAllocations']) as allocation
    from lines
    where array_length(line['discountAllocations']) > 0
),

flat as (
    select
        id,
        _extracted_at,
        order_line_id,
        allocation_number,
        coalesce(allocation['allocatedAmountSet']['shopMoney']['amount'], 0) as discount_amount,
        coalesce(allocation['allocatedAmountSet']['shopMoney']['currencyCode'], order_currency_code)
            as currency_code
    from allocations
)

select
    flat.order_line_id,
    flat.allocation_number,                 -- place in the line's list, from 1
    split_part(flat.id, '/', -1) as order_id,
    cast(flat.discount_amount as decimal(18, 4)) as discount_amount, -- positive: what was taken off
    flat.currency_code,                     -- ISO 4217
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
