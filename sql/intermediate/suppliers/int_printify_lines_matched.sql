-- One row per line that Printify makes, with the shop's order line it was made for, or the reason
-- why there is none.
--
-- The order is found by `metadata.shop_order_id`; in it the line by the external id that Printify
-- kept, else by the sku (of several lines with one sku, the first). What matches no order, samples
-- and manual orders above all, stays here with its cost: it is never dropped.
--
--! kind       = "merge"
--! key        = ["printify_order_id", "line_number"]
--! changed_by = ["printify_order_id"]
--! not_null   = ["base_amount", "shipping_amount", "is_settled", "is_charged"]
with

zone as (
    select * from int_shop_time_zones_chosen
),

supplier_orders as (
    select
        stg_printify__orders.printify_order_id,
        stg_printify__orders.order_id,
        stg_printify__orders.order_status,
        stg_printify__orders.order_type,
        stg_printify__orders.is_reprint,
        local_date(stg_printify__orders.created_at, zone.time_zone) as event_date
    from zone
    cross join stg_printify__orders
),

supplier_lines as (
    select
        stg_printify__order_lines.printify_order_id,
        stg_printify__order_lines.line_number,
        supplier_orders.order_id,
        stg_printify__order_lines.order_line_id,
        stg_printify__order_lines.sku,
        stg_printify__order_lines.quantity,
        stg_printify__order_lines.unit_cost_amount,
        stg_printify__order_lines.shipping_cost_amount,
        stg_printify__order_lines.currency_code,
        supplier_orders.order_status,
        supplier_orders.order_type,
        supplier_orders.is_reprint,
        supplier_orders.event_date
    from stg_printify__order_lines
    inner join supplier_orders
        on stg_printify__order_lines.printify_order_id = supplier_orders.printify_order_id
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
    supplier_lines.printify_order_id,
    supplier_lines.line_number,
    orders.order_id,                        -- the shop's order; null when none matches
    coalesce(lines.order_line_id, lines_by_sku.order_line_id)
        as order_line_id,                   -- null when none matches
    case
        when orders.order_id is not null and lines.order_line_id is null
            and lines_by_sku.order_line_id is null then 'no_matching_line'
        when orders.order_id is not null then null
        when supplier_lines.order_type = 'sample' then 'sample_order'
        else 'no_matching_order'
    end as unmatched_reason,
    supplier_lines.order_status,
    supplier_lines.is_reprint,
    supplier_lines.event_date,              -- shop's day on which Printify got the order
    supplier_lines.order_status <> 'cost-calculation' and not supplier_lines.is_reprint
        as is_settled,                      -- the invoice is known: no estimate is needed
    supplier_lines.order_status not in ('cost-calculation', 'canceled')
        as is_charged,                      -- its costs count
    cast(supplier_lines.unit_cost_amount * supplier_lines.quantity as decimal(18, 4))
        as base_amount,
    supplier_lines.shipping_cost_amount as shipping_amount, -- the whole line
    supplier_lines.currency_code,           -- ISO 4217; the unit of every *_amount here
    coalesce(supplier_lines.currency_code = orders.currency_code, false) as is_order_currency
from supplier_lines
left join orders on supplier_lines.order_id = orders.order_id
left join lines
    on supplier_lines.order_line_id = lines.order_line_id
    and supplier_lines.order_id = lines.order_id
left join lines_by_sku
    on supplier_lines.sku = lines_by_sku.sku
    and supplier_lines.order_id = lines_by_sku.order_id
