-- One row per sku: what its supplier asks for one unit today, by the supplier's own price list.
--
-- Printify first, Printful for what Printify does not know. Of several products with one sku the
-- one with the smallest id counts, enabled variants before others.
--
--! kind     = "full"
--! key      = ["sku"]
--! not_null = ["source_system", "price_id", "currency_code"]
with

printify as (
    select
        sku,
        'printify' as source_system,
        printify_product_id || ':' || printify_variant_id as price_id,
        blueprint_id,
        print_provider_id,
        printify_variant_id,
        unit_cost_amount,
        currency_code,
        1 as source_rank,
        case when is_enabled then 0 else 1 end as enabled_rank
    from stg_printify__product_variants
    where sku is not null
),

printful as (
    select
        stg_printful__store_variants.sku,
        'printful' as source_system,
        stg_printful__store_variants.printful_variant_id as price_id,
        cast(null as text) as blueprint_id,
        cast(null as text) as print_provider_id,
        cast(null as text) as printify_variant_id,
        stg_printful__catalog_variants.unit_cost_amount,
        stg_printful__catalog_variants.currency_code,
        2 as source_rank,
        case when stg_printful__store_variants.is_ignored then 1 else 0 end as enabled_rank
    from stg_printful__store_variants
    inner join stg_printful__catalog_variants
        on stg_printful__store_variants.printful_variant_id
        = stg_printful__catalog_variants.printful_variant_id
    where stg_printful__store_variants.sku is not null
),

listed as (
    select * from printify
    union all
    select * from printful
),

ranked as (
    select
        *,
        row_number() over (
            partition by sku
            order by source_rank, enabled_rank, price_id
        ) as place
    from listed
)

select
    sku,
    source_system,                          -- printify or printful
    price_id,                               -- the line of the price list
    blueprint_id,                           -- Printify only, as are the next two
    print_provider_id,
    printify_variant_id,
    unit_cost_amount,                       -- one unit, before shipping and tax
    currency_code                           -- ISO 4217
from ranked
where place = 1
