-- One row per product of the shop, newest version.
--
--! kind = "full"
--! key  = ["product_id"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.products
    group by id
)

select
    split_part(products.id, '/', -1) as product_id, -- numeric id, as text
    products.handle as product_handle,      -- last part of its web address
    products.title as product_title,
    products."productType" as product_type,
    products.vendor as vendor_name,
    products.status as product_status,      -- ACTIVE, ARCHIVED or DRAFT
    products."createdAt" as created_at,     -- UTC
    products."publishedAt" as published_at, -- UTC; null while unpublished
    products."updatedAt" as updated_at,     -- UTC
    products._extracted_at as extracted_at  -- UTC
from raw.shopify.products as products
inner join newest
    on products.id = newest.id
    and cast(products._extracted_at as bigint) = newest.newest_version
