-- One row per product of a Printify shop: which blueprint, made by which print provider.
--
--! kind = "view"
--! key  = ["printify_shop_id", "printify_product_id"]
with

newest as (
    select
        shop_id,
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printify.products
    group by shop_id, id
)

select
    products.id as printify_product_id,
    products.shop_id as printify_shop_id,
    products.title as product_title,
    products.blueprint_id,                  -- the blank, e.g. one model of hoodie
    products.print_provider_id,             -- who prints it
    coalesce(products.visible, false) as is_visible,
    products.created_at,                    -- UTC
    products.updated_at,                    -- UTC
    products._extracted_at as extracted_at  -- UTC
from raw.printify.products as products
inner join newest
    on products.id = newest.id
    and products.shop_id = newest.shop_id
    and cast(products._extracted_at as bigint) = newest.newest_version
