-- One row per metafield of a product.
--
--! kind = "view"
--! key  = ["product_id", "metafield_namespace", "metafield_key"]
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
        unnest(metafields) as metafield
    from raw.shopify.products
),

flat as (
    select
        id,
        _extracted_at,
        metafield['namespace'] as metafield_namespace,
        metafield['key'] as metafield_key,
        metafield['type'] as metafield_type,
        nullif(trim(metafield['value']), '') as metafield_value,
        metafield['updatedAt'] as updated_at
    from exploded
)

select
    split_part(flat.id, '/', -1) as product_id,
    flat.metafield_namespace,
    flat.metafield_key,
    flat.metafield_type,
    flat.metafield_value,                   -- text whatever the type; null when blank
    flat.updated_at,                        -- UTC
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
