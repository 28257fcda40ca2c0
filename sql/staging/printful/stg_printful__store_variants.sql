-- One row per variant that the store sells through Printful: from its sku to the catalog's variant.
--
--! kind = "view"
--! key  = ["printful_store_variant_id"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printful.store_products
    group by id
),

exploded as (
    select
        id,
        _extracted_at,
        unnest(sync_variants) as variant
    from raw.printful.store_products
),

flat as (
    select
        id,
        _extracted_at,
        variant['id'] as printful_store_variant_id,
        variant['external_id'] as variant_id,
        variant['variant_id'] as printful_variant_id,
        variant['product']['product_id'] as printful_product_id,
        nullif(variant['sku'], '') as sku,
        variant['name'] as variant_name,
        coalesce(variant['is_ignored'], false) as is_ignored,
        variant['retail_price'] as retail_amount,
        upper(variant['currency']) as currency_code
    from exploded
)

select
    flat.printful_store_variant_id,
    flat.id as printful_store_product_id,
    flat.variant_id,                        -- the shop's variant
    flat.printful_variant_id,               -- of the catalog
    flat.printful_product_id,               -- of the catalog
    flat.sku,
    flat.variant_name,
    flat.is_ignored,
    flat.retail_amount,
    flat.currency_code,                     -- ISO 4217; of the retail price
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
