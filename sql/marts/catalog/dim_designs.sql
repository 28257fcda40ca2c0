-- One row per design: a motif that the shop sells on one or several products.
--
-- Its family, niche, style and colour come from the labels of its products: tags before
-- metafields, and of several answers the first in the alphabet. `design_family` is null when no
-- product says it; readers show that as `untagged`.
--
--! kind     = "full"
--! key      = ["design_id"]
--! not_null = ["product_count"]
with

products as (
    select * from int_products_classified
),

designs as (
    select
        design_id,
        min(case when design_family_source = 'tag' then design_family end) as tagged_family,
        min(case when design_family_source = 'metafield' then design_family end)
            as metafield_family,
        min(niche_name) as niche_name,
        min(style_name) as style_name,
        min(color_family) as color_family,
        count(*) as product_count
    from products
    group by design_id
)

select
    design_id,                              -- the label `design:..`, else `product:<id>`
    coalesce(tagged_family, metafield_family) as design_family, -- the aesthetic; null: untagged
    case
        when tagged_family is not null then 'tag'
        when metafield_family is not null then 'metafield'
    end as design_family_source,            -- tag or metafield
    niche_name,                             -- what it is about
    style_name,                             -- how it is drawn
    color_family,
    product_count                           -- products that carry it
from designs
