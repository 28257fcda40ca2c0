-- One row per variant of a Printify product: the price list that estimates are made from.
--
--! kind     = "full"
--! key      = ["printify_shop_id", "printify_product_id", "printify_variant_id"]
--! not_null = ["unit_cost_amount"]
with

newest as (
    select
        shop_id,
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printify.products
    group by shop_id, id
),

exploded as (
    select
        shop_id,
        id,
        _extracted_at,
        blueprint_id,
        print_provider_id,
        unnest(variants) as variant
    from raw.printify.products
),

flat as (
    select
        shop_id,
        id,
        _extracted_at,
        blueprint_id,
        print_provider_id,
        variant['id'] as printify_variant_id,
        nullif(variant['sku'], '') as sku,
        variant['title'] as variant_title,
        coalesce(variant['is_enabled'], false) as is_enabled,
        coalesce(variant['is_available'], false) as is_available,
        coalesce(variant['cost'], 0) as unit_cost_minor,
        coalesce(variant['price'], 0) as price_minor
    from exploded
)

select
    flat.id as printify_product_id,
    flat.shop_id as printify_shop_id,
    flat.printify_variant_id,
    flat.sku,
    flat.variant_title,
    flat.blueprint_id,
    flat.print_provider_id,
    flat.is_enabled,
    flat.is_available,
    'USD' as currency_code,                 -- the account's billing currency
    minor_to_amount(flat.unit_cost_minor, 'USD') as unit_cost_amount, -- one unit, before tax and shipping
    minor_to_amount(flat.price_minor, 'USD') as price_amount, -- what the shop asks for it
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and flat.shop_id = newest.shop_id
    and cast(flat._extracted_at as bigint) = newest.newest_version
