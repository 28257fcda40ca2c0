-- One row per tag of a product, split into `<prefix>:<value>` when the tag has that form.
--
--! kind     = "view"
--! key      = ["product_id", "tag_number"]
--! not_null = ["tag_name"]
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
        unnest(range(1, cast(array_length(tags) as bigint) + 1)) as tag_number,
        trim(unnest(tags)) as tag_name
    from raw.shopify.products
    where array_length(tags) > 0
)

select
    split_part(exploded.id, '/', -1) as product_id,
    exploded.tag_number,                    -- place in the product's list, from 1
    exploded.tag_name,                      -- as the store wrote it
    case
        when strpos(exploded.tag_name, ':') > 1
        then lower(trim(split_part(exploded.tag_name, ':', 1)))
    end as tag_prefix,                      -- lower case; null for a plain tag
    case
        when strpos(exploded.tag_name, ':') > 1
        then nullif(trim(substr(exploded.tag_name, strpos(exploded.tag_name, ':') + 1)), '')
    end as tag_value,
    exploded._extracted_at as extracted_at  -- UTC
from exploded
inner join newest
    on exploded.id = newest.id
    and cast(exploded._extracted_at as bigint) = newest.newest_version
