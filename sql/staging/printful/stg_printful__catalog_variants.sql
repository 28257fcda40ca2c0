-- One row per variant of Printful's catalog, with the list price that estimates are made from.
--
--! kind = "view"
--! key  = ["printful_variant_id"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printful.catalog_products
    group by id
),

exploded as (
    select
        id,
        _extracted_at,
        upper(coalesce(currency, 'USD')) as currency_code,
        unnest(variants) as variant
    from raw.printful.catalog_products
),

flat as (
    select
        id,
        _extracted_at,
        currency_code,
        variant['id'] as printful_variant_id,
        variant['name'] as variant_name,
        variant['size'] as size_name,
        variant['color'] as color_name,
        variant['price'] as unit_cost_amount,
        coalesce(variant['in_stock'], false) as is_in_stock
    from exploded
)

select
    flat.printful_variant_id,
    flat.id as printful_product_id,
    flat.variant_name,
    flat.size_name,
    flat.color_name,
    flat.is_in_stock,
    flat.unit_cost_amount,                  -- one unit, list price, membership discounts not applied
    flat.currency_code,                     -- ISO 4217
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
