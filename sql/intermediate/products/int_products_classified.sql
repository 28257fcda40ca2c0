-- One row per product: which design it carries, and what the store's own labels say of it.
--
-- A tag `aesthetic:..`, `niche:..`, `style:..`, `color:..` or `design:..` comes first; the
-- metafield of the same name in the namespace `inkhouse` second. Of two tags with one prefix the
-- first in the alphabet counts, so that the result does not depend on their order.
-- A product without a design label is a design of its own.
--
--! kind     = "full"
--! key      = ["product_id"]
--! not_null = ["design_id"]
with

products as (
    select * from stg_shopify__products
),

tags as (
    select
        product_id,
        min(case when tag_prefix = 'aesthetic' then tag_value end) as design_family,
        min(case when tag_prefix = 'niche' then tag_value end) as niche_name,
        min(case when tag_prefix = 'style' then tag_value end) as style_name,
        min(case when tag_prefix = 'color' then tag_value end) as color_family,
        min(case when tag_prefix = 'design' then tag_value end) as design_id
    from stg_shopify__product_tags
    group by product_id
),

metafields as (
    select
        product_id,
        min(case when metafield_key = 'aesthetic' then metafield_value end) as design_family,
        min(case when metafield_key = 'niche' then metafield_value end) as niche_name,
        min(case when metafield_key = 'style' then metafield_value end) as style_name,
        min(case when metafield_key = 'color' then metafield_value end) as color_family,
        min(case when metafield_key = 'design' then metafield_value end) as design_id
    from stg_shopify__product_metafields
    where metafield_namespace = 'inkhouse'
    group by product_id
)

select
    products.product_id,
    coalesce(tags.design_id, metafields.design_id, 'product:' || products.product_id) as design_id,
    coalesce(tags.design_family, metafields.design_family) as design_family, -- null: untagged
    case
        when tags.design_family is not null then 'tag'
        when metafields.design_family is not null then 'metafield'
    end as design_family_source,
    coalesce(tags.niche_name, metafields.niche_name) as niche_name,
    coalesce(tags.style_name, metafields.style_name) as style_name,
    coalesce(tags.color_family, metafields.color_family) as color_family
from products
left join tags on products.product_id = tags.product_id
left join metafields on products.product_id = metafields.product_id
