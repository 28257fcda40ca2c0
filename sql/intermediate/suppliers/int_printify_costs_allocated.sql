-- One row per Printify order, order line and component: what Printify charged for the line.
--
-- Base and shipping are Printify's own figures for the line; the tax of the order is split over its
-- lines by their base. A row without `order_line_id` is money of no order line, with the reason.
-- Orders cancelled or not yet costed charge nothing.
--
--! kind       = "merge"
--! changed_by = ["source_document_id"]
--! not_null   = ["component", "event_date", "margin_amount", "currency_code"]
--! checks     = ["(order_line_id is null) = (unmatched_reason is not null)", "margin_amount < 0"]
with

lines as (
    select
        printify_order_id,
        order_id,
        order_line_id,
        unmatched_reason,
        event_date,
        currency_code,
        is_order_currency,
        sum(base_amount) as base_amount,
        sum(shipping_amount) as shipping_amount
    from int_printify_lines_matched
    where is_charged
    group by
        printify_order_id,
        order_id,
        order_line_id,
        unmatched_reason,
        event_date,
        currency_code,
        is_order_currency
),

-- Wide to long in one pass over the lines.
direct_parts as (
    select
        printify_order_id,
        order_id,
        order_line_id,
        unmatched_reason,
        event_date,
        currency_code,
        is_order_currency,
        unnest(
            make_array(
                named_struct(
                    'component', 'base_cost', 'amount', cast(base_amount as decimal(18, 4))
                ),
                named_struct(
                    'component', 'shipping_cost', 'amount', cast(shipping_amount as decimal(18, 4))
                )
            )
        ) as part
    from lines
),

taxed_orders as (
    select
        printify_order_id,
        tax_amount
    from stg_printify__orders
    where tax_amount <> 0
),

-- All that one supplier order has in common, beside its lines as lists for `allocate`.
orders as (
    select
        printify_order_id,
        min(order_id) as order_id,
        min(unmatched_reason) as unmatched_reason,
        min(event_date) as event_date,
        min(currency_code) as currency_code,
        bool_and(is_order_currency) as is_order_currency,
        array_agg(coalesce(order_line_id, 'unmatched')) as cost_keys,
        array_agg(cast(base_amount as decimal(18, 4))) as cost_weights
    from lines
    group by printify_order_id
),

tax_parts as (
    select
        orders.printify_order_id,
        orders.order_id,
        orders.unmatched_reason,
        orders.event_date,
        orders.currency_code,
        orders.is_order_currency,
        unnest(
            allocate(
                taxed_orders.tax_amount,
                orders.currency_code,
                orders.cost_keys,
                orders.cost_weights
            )
        ) as part
    from taxed_orders
    inner join orders on taxed_orders.printify_order_id = orders.printify_order_id
),

unioned as (
    select
        printify_order_id,
        order_id,
        order_line_id,
        unmatched_reason,
        event_date,
        part['component'] as component,
        'actual' as basis,
        -part['amount'] as margin_amount,
        currency_code,
        is_order_currency
    from direct_parts
    union all
    select
        printify_order_id,
        order_id,
        nullif(part['key'], 'unmatched') as order_line_id,
        case when part['key'] = 'unmatched' then unmatched_reason end as unmatched_reason,
        event_date,
        'supplier_tax' as component,
        'allocated' as basis,
        -part['amount'] as margin_amount,
        currency_code,
        is_order_currency
    from tax_parts
)

select
    order_line_id,                          -- null: belongs to no order line
    order_id,
    unmatched_reason,                       -- null when it belongs to an order line
    component,                              -- base_cost, shipping_cost or supplier_tax
    basis,                                  -- actual, or allocated from the order
    event_date,                             -- shop's day on which Printify got the order
    'printify' as source_system,
    printify_order_id as source_document_id,
    cast(margin_amount as decimal(18, 4)) as margin_amount, -- negative: a cost
    currency_code,                          -- ISO 4217
    is_order_currency
from unioned
where margin_amount <> 0
