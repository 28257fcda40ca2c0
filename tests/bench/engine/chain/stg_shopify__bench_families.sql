-- One row per product with a family, which is the first in the alphabet of its tags `aesthetic:..`.
--
--! kind     = "full"
--! key      = ["product_id"]
--! not_null = ["design_family"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.products
    group by id
),

tags as (
    select
        id,
        _extracted_at,
        unnest(tags) as tag_name
    from raw.shopify.products
)

select
    split_part(tags.id, '/', -1) as product_id,
    min(trim(split_part(tags.tag_name, ':', 2))) as design_family
from tags
inner join newest
    on tags.id = newest.id
    and cast(tags._extracted_at as bigint) = newest.newest_version
where lower(split_part(tags.tag_name, ':', 1)) = 'aesthetic'
group by tags.id
