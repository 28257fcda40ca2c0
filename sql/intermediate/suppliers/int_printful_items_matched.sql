-- One row per item that Printful makes, with the shop's order line it was made for, or the reason
-- why there is none.
--
-- The order is found by the order's `external_id`; in it the line by the item's, else by the sku
-- (of several lines with one sku, the first). What matches no order stays here with its cost.
--
--! kind       = "merge"
--! key        = ["printful_order_item_id"]
--! changed_by = ["printful_order_id"]
--! not_null   = ["base_amount", "is_charged"]
with

zone as (
    select * from int_shop_time_zones_chosen
),

supplier_orders as (
    select
        stg_printful__orders.printful_order_id,
        stg_printful__orders.order_id,
        stg_printful__orders.order_status,
        local_date(stg_printful__orders.created_at, zone.time_zone) as event_date
    from zone
    cross join stg_printful__orders
),

items as (
    select
        stg_printful__order_items.printful_order_item_id,
        stg_printful__order_items.printful_order_id,
        supplier_orders.order_id,
        stg_printful__order_items.order_line_id,
        stg_printful__order_items.sku,
        stg_printful__order_items.quantity,
        stg_printful__order_items.unit_cost_amount,
        stg_printful__order_items.currency_code,
        supplier_orders.order_status,
        supplier_orders.event_date
    from stg_printful__order_items
    inner join supplier_orders
        on stg_printful__order_items.printful_order_id = supplier_orders.printful_order_id
),

lines as (
    select
        order_id,
        order_line_id,
        sku
    from int_order_lines_priced
),

orders as (
    select
        order_id,
        currency_code
    from int_orders_itemized
),

lines_by_sku as (
    select
        order_id,
        sku,
        min(order_line_id) as order_line_id
    from lines
    where sku is not null
    group by order_id, sku
)

select
    items.printful_order_item_id,
    items.printful_order_id,
    orders.order_id,                        -- the shop's order; null when none matches
    coalesce(lines.order_line_id, lines_by_sku.order_line_id)
        as order_line_id,                   -- null when none matches
    case
        when orders.order_id is not null and lines.order_line_id is null
            and lines_by_sku.order_line_id is null then 'no_matching_line'
        when orders.order_id is not null then null
        when items.order_id is null then 'sample_order'
        else 'no_matching_order'
    end as unmatched_reason,
    items.order_status,
    items.event_date,                       -- shop's day on which Printful got the order
    items.order_status not in ('canceled', 'draft', 'failed') as is_charged, -- its costs count
    cast(items.unit_cost_amount * items.quantity as decimal(18, 4)) as base_amount,
    items.currency_code,                    -- ISO 4217
    coalesce(items.currency_code = orders.currency_code, false) as is_order_currency
from items
left join orders on items.order_id = orders.order_id
left join lines
    on items.order_line_id = lines.order_line_id
    and items.order_id = lines.order_id
left join lines_by_sku
    on items.sku = lines_by_sku.sku
    and items.order_id = lines_by_sku.order_id
