-- One row per variant of a product, priced in the shop's currency.
--
--! kind     = "full"
--! key      = ["variant_id"]
--! not_null = ["product_id"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.products
    group by id
),

exploded as (
    select
        id,
        _extracted_at,
        unnest(variants) as variant
    from raw.shopify.products
),

flat as (
    select
        id,
        _extracted_at,
        split_part(variant['id'], '/', -1) as variant_id,
        nullif(variant['sku'], '') as sku,
        variant['title'] as variant_title,
        variant['price'] as price_amount,
        variant['compareAtPrice'] as compare_at_amount,
        variant['inventoryItem']['unitCost']['amount'] as unit_cost_amount,
        variant['inventoryItem']['unitCost']['currencyCode'] as unit_cost_currency_code,
        variant['updatedAt'] as updated_at
    from exploded
)

select
    flat.variant_id,                        -- numeric id, as text
    split_part(flat.id, '/', -1) as product_id,
    flat.sku,
    flat.variant_title,
    flat.price_amount,                      -- in the shop's currency
    flat.compare_at_amount,                 -- the struck-out price; in the shop's currency
    flat.unit_cost_amount,                  -- what the merchant typed in; not used for margins
    flat.unit_cost_currency_code,           -- ISO 4217
    flat.updated_at,                        -- UTC
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
