-- One row per product of the shop, with its design and that design's family.
--
--! kind     = "full"
--! key      = ["product_id"]
--! not_null = ["design_id", "variant_count"]
--! checks   = [{ references = "dim_designs.design_id" }]
with

products as (
    select * from stg_shopify__products
),

classified as (
    select * from int_products_classified
),

designs as (
    select * from dim_designs
),

variants as (
    select
        product_id,
        count(*) as variant_count,
        min(price_amount) as lowest_price_amount,
        max(price_amount) as highest_price_amount
    from stg_shopify__product_variants
    group by product_id
)

select
    products.product_id,
    classified.design_id,
    designs.design_family,                  -- the aesthetic; null: untagged
    designs.niche_name,
    designs.style_name,
    designs.color_family,
    products.product_title,
    products.product_handle,
    products.product_type,
    products.vendor_name,
    products.product_status,                -- ACTIVE, ARCHIVED or DRAFT
    coalesce(variants.variant_count, 0) as variant_count,
    variants.lowest_price_amount,           -- in the shop's currency
    variants.highest_price_amount,          -- in the shop's currency
    products.created_at,                    -- UTC
    products.published_at                   -- UTC; null while unpublished
from products
inner join classified on products.product_id = classified.product_id
inner join designs on classified.design_id = designs.design_id
left join variants on products.product_id = variants.product_id
