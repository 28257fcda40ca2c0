-- One row per order, newest version.
--
--! kind       = "merge"
--! key        = ["order_id"]
--! changed_by = ["order_id"]
--! not_null   = ["currency_code", "order_date"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.orders
    group by id
),

versions as (
    select
        id,
        _extracted_at,
        name as order_name,
        "currencyCode" as currency_code,
        coalesce(test, false) as is_test,
        "cancelledAt" is not null as is_cancelled,
        "totalShippingPriceSet"['shopMoney']['amount'] as shipping_amount,
        cast("createdAt" as date) as order_date
    from raw.shopify.orders
)

select
    split_part(versions.id, '/', -1) as order_id,
    versions.order_name,
    versions.currency_code,
    versions.is_test,
    versions.is_cancelled,
    versions.shipping_amount,
    versions.order_date,
    versions._extracted_at as extracted_at
from versions
inner join newest
    on versions.id = newest.id
    and cast(versions._extracted_at as bigint) = newest.newest_version
