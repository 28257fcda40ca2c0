-- One row per Printful order, order line and component: what Printful charged for the line.
--
-- The base is the item's own price; shipping, discount, tax with VAT, and fees are of the order and
-- split over its items by their base. What the order's total holds beyond all of these (branding
-- that no item names) becomes a `supplier_fee` of no line, so that the document adds up.
-- Drafts, failed and cancelled orders charge nothing.
--
--! kind       = "merge"
--! changed_by = ["source_document_id"]
--! not_null   = ["component", "event_date", "margin_amount", "currency_code"]
--! checks     = ["(order_line_id is null) = (unmatched_reason is not null)"]
with

items as (
    select
        printful_order_id,
        order_id,
        order_line_id,
        unmatched_reason,
        event_date,
        currency_code,
        is_order_currency,
        sum(base_amount) as base_amount
    from int_printful_items_matched
    where is_charged
    group by
        printful_order_id,
        order_id,
        order_line_id,
        unmatched_reason,
        event_date,
        currency_code,
        is_order_currency
),

-- All that one supplier order has in common, beside its items as lists for `allocate`.
orders as (
    select
        printful_order_id,
        min(order_id) as order_id,
        min(unmatched_reason) as unmatched_reason,
        min(event_date) as event_date,
        currency_code,
        bool_and(is_order_currency) as is_order_currency,
        sum(base_amount) as base_amount,
        array_agg(coalesce(order_line_id, 'unmatched')) as cost_keys,
        array_agg(cast(base_amount as decimal(18, 4))) as cost_weights
    from items
    group by printful_order_id, currency_code
),

documents as (
    select * from stg_printful__orders
    where order_status not in ('canceled', 'draft', 'failed')
),

-- The order-level charges, wide to long, with the sign of their effect on the margin.
charges as (
    select
        orders.printful_order_id,
        orders.order_id,
        orders.unmatched_reason,
        orders.event_date,
        orders.currency_code,
        orders.is_order_currency,
        orders.cost_keys,
        orders.cost_weights,
        unnest(
            make_array(
                named_struct('component', 'supplier_discount', 'amount', documents.discount_amount),
                named_struct(
                    'component', 'supplier_fee',
                    'amount', cast(-documents.fee_amount as decimal(18, 4))
                ),
                named_struct(
                    'component', 'shipping_cost',
                    'amount', cast(-documents.shipping_amount as decimal(18, 4))
                ),
                named_struct(
                    'component', 'supplier_tax',
                    'amount', cast(-documents.tax_amount as decimal(18, 4))
                )
            )
        ) as charge
    from documents
    inner join orders
        on documents.printful_order_id = orders.printful_order_id
        and documents.currency_code = orders.currency_code
),

charge_parts as (
    select
        printful_order_id,
        order_id,
        unmatched_reason,
        event_date,
        currency_code,
        is_order_currency,
        charge['component'] as component,
        unnest(allocate(charge['amount'], currency_code, cost_keys, cost_weights)) as part
    from charges
    where charge['amount'] <> 0
),

zone as (
    select * from int_shop_time_zones_chosen
),

dated_documents as (
    select
        documents.*,
        local_date(documents.created_at, zone.time_zone) as event_date
    from zone
    cross join documents
    where documents.total_amount is not null
),

rests as (
    select
        dated_documents.printful_order_id,
        orders.order_id,
        dated_documents.event_date,
        coalesce(orders.base_amount, 0) - dated_documents.discount_amount
            + dated_documents.shipping_amount + dated_documents.fee_amount
            + dated_documents.tax_amount - dated_documents.total_amount as rest_amount,
        dated_documents.currency_code
    from dated_documents
    left join orders
        on dated_documents.printful_order_id = orders.printful_order_id
        and dated_documents.currency_code = orders.currency_code
),

unioned as (
    select
        printful_order_id,
        order_id,
        order_line_id,
        unmatched_reason,
        event_date,
        'base_cost' as component,
        'actual' as basis,
        -base_amount as margin_amount,
        currency_code,
        is_order_currency
    from items
    union all
    select
        printful_order_id,
        order_id,
        nullif(part['key'], 'unmatched') as order_line_id,
        case when part['key'] = 'unmatched' then unmatched_reason end as unmatched_reason,
        event_date,
        component,
        'allocated' as basis,
        part['amount'] as margin_amount,
        currency_code,
        is_order_currency
    from charge_parts
    union all
    select
        printful_order_id,
        order_id,
        cast(null as text) as order_line_id,
        'not_itemized' as unmatched_reason,
        event_date,
        'supplier_fee' as component,
        'actual' as basis,
        rest_amount as margin_amount,
        currency_code,
        false as is_order_currency
    from rests
)

select
    order_line_id,                          -- null: belongs to no order line
    order_id,
    unmatched_reason,                       -- null when it belongs to an order line
    component,                              -- base_cost, supplier_discount, supplier_fee, ..
    basis,                                  -- actual, or allocated from the order
    event_date,                             -- shop's day on which Printful got the order
    'printful' as source_system,
    printful_order_id as source_document_id,
    cast(margin_amount as decimal(18, 4)) as margin_amount, -- signed effect on the margin
    currency_code,                          -- ISO 4217
    is_order_currency
from unioned
where margin_amount <> 0
