-- One row per order line and order-level document: the line's part, by net value, to the last cent.
--
-- The parts of a document add up to it exactly; lines of equal value share by largest remainder.
-- Money of an order that has no lines stays out here and is listed in `fct_unattributed_costs`.
--
--! kind       = "merge"
--! key        = ["order_line_id", "component", "source_document_id"]
--! changed_by = ["order_id"]
--! not_null   = ["order_id", "event_date", "margin_amount"]
with

amounts as (
    select * from int_order_amounts_unioned
),

orders as (
    select * from int_order_lines_listed
),

parts as (
    select
        amounts.order_id,
        amounts.component,
        amounts.event_type,
        amounts.source_system,
        amounts.source_document_id,
        coalesce(amounts.event_date, orders.order_date) as posted_date,
        amounts.currency_code,
        amounts.currency_code = orders.currency_code as is_order_currency,
        unnest(
            allocate(
                amounts.margin_amount,
                amounts.currency_code,
                orders.order_line_ids,
                orders.line_weights
            )
        ) as part
    from amounts
    inner join orders on amounts.order_id = orders.order_id
)

select
    part['key'] as order_line_id,
    order_id,
    component,
    event_type,                             -- sale, refund, fee or ads
    posted_date as event_date,              -- shop's day; the ad account's day for ads
    source_system,
    source_document_id,
    part['amount'] as margin_amount,        -- signed effect on the margin
    currency_code,                          -- ISO 4217
    is_order_currency                       -- false: cannot be added to the order's money
from parts
where part['amount'] <> 0
