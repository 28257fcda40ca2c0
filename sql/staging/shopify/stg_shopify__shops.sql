-- One row per shop: its currency and the zone in which its days begin.
--
--! kind     = "view"
--! key      = ["shop_id"]
--! not_null = ["time_zone"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.shop
    group by id
)

select
    split_part(shops.id, '/', -1) as shop_id, -- numeric id, as text
    shops.name as shop_name,
    shops."myshopifyDomain" as shop_domain_name, -- the name that never changes
    shops."currencyCode" as currency_code,  -- ISO 4217
    shops."ianaTimezone" as time_zone,      -- IANA name; every *_date of the shop is in it
    shops._extracted_at as extracted_at     -- UTC
from raw.shopify.shop as shops
inner join newest
    on shops.id = newest.id
    and cast(shops._extracted_at as bigint) = newest.newest_version
