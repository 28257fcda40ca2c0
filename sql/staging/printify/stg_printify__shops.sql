-- One row per shop of the Printify account, disconnected ones included.
--
--! kind = "view"
--! key  = ["printify_shop_id"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printify.shops
    group by id
)

select
    shops.id as printify_shop_id,
    shops.title as shop_name,
    shops.sales_channel as sales_channel_name, -- shopify, etsy, custom_integration, disconnected, ..
    shops._extracted_at as extracted_at     -- UTC
from raw.printify.shops as shops
inner join newest
    on shops.id = newest.id
    and cast(shops._extracted_at as bigint) = newest.newest_version
