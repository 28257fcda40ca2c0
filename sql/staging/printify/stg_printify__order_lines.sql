-- One row per line of an order that Printify fulfils.
--
-- Printify gives a line no id of its own, so its place in the order's list is part of the key.
-- `unit_cost_amount` is per unit (blank and print together); `shipping_cost_amount` is for the
-- whole line. Both stay on cancelled lines: whether they count is decided downstream.
--
--! kind       = "merge"
--! key        = ["printify_order_id", "line_number"]
--! changed_by = ["printify_order_id"]
--! not_null   = ["quantity", "unit_cost_amount", "shipping_cost_amount"]
with

newest as (
    select
        shop_id,
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printify.orders
    group by shop_id, id
),

exploded as (
    select
        shop_id,
        id,
        _extracted_at,
        unnest(range(1, cast(array_length(line_items) as bigint) + 1)) as line_number,
        unnest(line_items) as line
    from raw.printify.orders
    where array_length(line_items) > 0
),

flat as (
    select
        shop_id,
        id,
        _extracted_at,
        line_number,
        line['product_id'] as printify_product_id,
        line['variant_id'] as printify_variant_id,
        line['print_provider_id'] as print_provider_id,
        coalesce(nullif(line['external_id'], ''), nullif(line['metadata']['external_id'], ''))
            as order_line_id,
        nullif(line['metadata']['sku'], '') as sku,
        line['status'] as line_status,
        coalesce(line['quantity'], 0) as quantity,
        coalesce(line['cost'], 0) as unit_cost_minor,
        coalesce(line['shipping_cost'], 0) as shipping_cost_minor,
        line['sent_to_production_at'] as sent_to_production_at,
        line['fulfilled_at'] as fulfilled_at
    from exploded
)

select
    flat.id as printify_order_id,
    flat.line_number,                       -- place in the order's list, from 1
    flat.shop_id as printify_shop_id,
    flat.printify_product_id,
    flat.printify_variant_id,               -- number of the catalog, not of the product
    flat.print_provider_id,
    flat.order_line_id,                     -- the shop's line it was made for, when Printify knows
    flat.sku,
    flat.line_status,
    flat.quantity,
    'USD' as currency_code,                 -- the account's billing currency
    minor_to_amount(flat.unit_cost_minor, 'USD') as unit_cost_amount, -- one unit, before tax
    minor_to_amount(flat.shipping_cost_minor, 'USD') as shipping_cost_amount, -- the whole line
    flat.sent_to_production_at,             -- UTC
    flat.fulfilled_at,                      -- UTC
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and flat.shop_id = newest.shop_id
    and cast(flat._extracted_at as bigint) = newest.newest_version
