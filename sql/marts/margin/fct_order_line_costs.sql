-- The ledger: one row per order line, component and document, with its effect on the margin.
--
-- `margin_amount` is signed: what the buyer pays is positive, what goes out is negative, so a sum
-- over any set of rows is its margin. Nothing is netted: a refund is a row of its own on its own
-- day, an estimate disappears when the invoice comes. Sales tax is a liability and is not here.
-- Rows in another currency than their order's stay, flagged, and must not be added to the others.
--
--! kind       = "merge"
--! key        = ["order_line_id", "component", "source_document_id"]
--! changed_by = ["order_id"]
--! not_null   = [
--!     "order_id", "event_type", "event_date", "basis", "source_system", "margin_amount",
--!     "currency_code", "is_order_currency",
--! ]
--! checks     = [
--!     "margin_amount > 0 or component not in ('product_revenue', 'shipping_revenue')",
--!     "margin_amount < 0 or component not in ('discount', 'refund', 'shipping_refund')",
--!     "margin_amount < 0 or component not in ('base_cost', 'shipping_cost', 'supplier_tax')",
--!     { accepted = "basis", values = ["actual", "allocated", "estimate"] },
--!     { accepted = "component", values = [
--!         "product_revenue", "discount", "refund", "shipping_revenue", "shipping_refund",
--!         "order_adjustment", "base_cost", "supplier_discount", "supplier_fee", "shipping_cost",
--!         "supplier_tax", "payment_fee", "ad_spend",
--!     ] },
--! ]
with

estimates as (
    select
        order_line_id,
        order_id,
        source_system,
        source_document_id,
        order_date,
        currency_code,
        is_order_currency,
        unnest(
            make_array(
                named_struct('component', 'base_cost', 'amount', base_amount),
                named_struct('component', 'shipping_cost', 'amount', shipping_amount)
            )
        ) as part
    from int_order_lines_estimated
    where source_document_id is not null
),

unioned as (
    select
        order_line_id,
        order_id,
        component,
        event_type,
        event_date,
        'actual' as basis,
        source_system,
        source_document_id,
        margin_amount,
        currency_code,
        is_order_currency
    from int_order_line_amounts_unioned
    union all
    select
        order_line_id,
        order_id,
        component,
        event_type,
        event_date,
        'allocated' as basis,
        source_system,
        source_document_id,
        margin_amount,
        currency_code,
        is_order_currency
    from int_order_amounts_allocated
    union all
    select
        order_line_id,
        order_id,
        component,
        'invoice' as event_type,
        event_date,
        basis,
        source_system,
        source_document_id,
        margin_amount,
        currency_code,
        is_order_currency
    from int_printify_costs_allocated
    where order_line_id is not null
    union all
    select
        order_line_id,
        order_id,
        component,
        'invoice' as event_type,
        event_date,
        basis,
        source_system,
        source_document_id,
        margin_amount,
        currency_code,
        is_order_currency
    from int_printful_costs_allocated
    where order_line_id is not null
    union all
    select
        order_line_id,
        order_id,
        part['component'] as component,
        'estimate' as event_type,
        order_date as event_date,
        'estimate' as basis,
        source_system,
        source_document_id,
        cast(-part['amount'] as decimal(18, 4)) as margin_amount,
        currency_code,
        is_order_currency
    from estimates
    where part['amount'] <> 0
)

select
    order_line_id,
    order_id,
    component,                              -- what kind of money, see the README's table
    event_type,                             -- sale, refund, invoice, estimate, fee or ads
    event_date,                             -- day of the event: the shop's, for ads the ad account's
    basis,                                  -- actual, estimate, or allocated from a whole document
    source_system,                          -- whose document it is
    source_document_id,                     -- that document's id
    margin_amount,                          -- signed effect on the margin
    currency_code,                          -- ISO 4217
    is_order_currency                       -- false: cannot be added to the order's money
from unioned
