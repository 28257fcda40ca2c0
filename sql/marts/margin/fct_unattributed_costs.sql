-- One row per document and component of money that belongs to no order line, and why.
--
-- Together with `fct_order_line_costs` it holds every cent of every supplier order, balance
-- transaction and ad-day: nothing is dropped because nothing matched it. The sign is the ledger's.
--
--! kind       = "merge"
--! key        = ["source_system", "source_document_id", "component", "unattributed_reason"]
--! changed_by = ["source_document_id"]
--! not_null   = ["margin_amount", "currency_code"]
with

zone as (
    select * from int_shop_time_zones_chosen
),

taxed_orders as (
    select * from stg_printify__orders
    where tax_amount <> 0 and order_status not in ('cost-calculation', 'canceled')
),

dated_orders as (
    select
        taxed_orders.printify_order_id,
        taxed_orders.tax_amount,
        taxed_orders.currency_code,
        local_date(taxed_orders.created_at, zone.time_zone) as event_date
    from zone
    cross join taxed_orders
),

itemized_orders as (
    select printify_order_id
    from int_printify_lines_matched
    group by printify_order_id
),

unioned as (
    select
        source_system,
        source_document_id,
        component,
        unmatched_reason as unattributed_reason,
        event_date,
        margin_amount,
        currency_code
    from int_printify_costs_allocated
    where order_line_id is null
    union all
    select
        source_system,
        source_document_id,
        component,
        unmatched_reason as unattributed_reason,
        event_date,
        margin_amount,
        currency_code
    from int_printful_costs_allocated
    where order_line_id is null
    union all
    -- A supplier order with tax but without lines: nothing to split the tax over.
    select
        'printify' as source_system,
        dated_orders.printify_order_id as source_document_id,
        'supplier_tax' as component,
        'not_itemized' as unattributed_reason,
        dated_orders.event_date,
        cast(-dated_orders.tax_amount as decimal(18, 4)) as margin_amount,
        dated_orders.currency_code
    from dated_orders
    left join itemized_orders
        on dated_orders.printify_order_id = itemized_orders.printify_order_id
    where itemized_orders.printify_order_id is null
    union all
    select
        'stripe' as source_system,
        stripe_balance_transaction_id as source_document_id,
        'payment_fee' as component,
        unmatched_reason as unattributed_reason,
        event_date,
        cast(-fee_amount as decimal(18, 4)) as margin_amount,
        currency_code
    from int_stripe_fees_matched
    where order_id is null
    union all
    select
        'meta' as source_system,
        ad_id || ':' || cast(spend_date as text) as source_document_id,
        'ad_spend' as component,
        'no_attributed_order' as unattributed_reason,
        spend_date as event_date,
        cast(-spend_amount as decimal(18, 4)) as margin_amount,
        currency_code
    from int_ad_days_matched
    where order_count = 0
)

select
    source_system,                          -- printify, printful, stripe or meta
    source_document_id,                     -- supplier order, balance transaction, or ad and day
    component,                              -- the ledger's component
    unattributed_reason,                    -- sample_order, no_matching_order, no_matching_line, ..
    event_date,                             -- day of the event: the shop's, for ads the ad account's
    margin_amount,                          -- signed effect on the margin: a cost is negative
    currency_code                           -- ISO 4217
from unioned
