-- One row per item of an order that Printful fulfils. `unit_cost_amount` is what Printful charges.
--
--! kind       = "merge"
--! key        = ["printful_order_item_id"]
--! changed_by = ["printful_order_id"]
--! not_null   = ["printful_order_id", "quantity", "unit_cost_amount"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printful.orders
    group by id
),

exploded as (
    select
        id,
        _extracted_at,
        upper(coalesce(costs['currency'], 'USD')) as currency_code,
        unnest(items) as item
    from raw.printful.orders
),

flat as (
    select
        id,
        _extracted_at,
        currency_code,
        item['id'] as printful_order_item_id,
        nullif(item['external_id'], '') as order_line_id,
        item['variant_id'] as printful_variant_id,
        item['sync_variant_id'] as printful_store_variant_id,
        nullif(item['sku'], '') as sku,
        item['name'] as item_name,
        coalesce(item['quantity'], 0) as quantity,
        coalesce(item['price'], 0) as unit_cost_amount,
        item['retail_price'] as retail_amount
    from exploded
)

select
    flat.printful_order_item_id,
    flat.id as printful_order_id,
    flat.order_line_id,                     -- the shop's line it was made for, when Printful knows
    flat.printful_variant_id,               -- of the catalog
    flat.printful_store_variant_id,
    flat.sku,
    flat.item_name,
    flat.quantity,
    flat.currency_code,                     -- ISO 4217; the unit of every *_amount here
    cast(flat.unit_cost_amount as decimal(18, 4)) as unit_cost_amount, -- one unit, blank and print
    flat.retail_amount,                     -- one unit, what the buyer paid; Printful's copy
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
