-- One row per sku: the least that Printify asks for one unit.
--
--! kind     = "full"
--! key      = ["sku"]
--! not_null = ["unit_cost_amount"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printify.products
    group by id
),

variants as (
    select
        id,
        _extracted_at,
        unnest(variants) as variant
    from raw.printify.products
),

flat as (
    select
        id,
        _extracted_at,
        variant['sku'] as sku,
        variant['cost'] as unit_cost_minor
    from variants
)

select
    flat.sku,
    cast(min(flat.unit_cost_minor) * 0.01 as decimal(18, 4)) as unit_cost_amount
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
where flat.sku <> ''
group by flat.sku
