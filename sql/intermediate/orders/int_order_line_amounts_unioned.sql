-- One row per order line and document whose money Shopify itself names for the line.
--
-- Gross revenue, discounts, and each refund of the line. Gift cards bring none of these: selling
-- one is a debt, not revenue. The sign is the effect on the margin.
--
--! kind     = "view"
--! key      = ["order_line_id", "component", "source_document_id"]
--! not_null = ["order_id", "event_date", "margin_amount"]
with

lines as (
    select * from int_order_lines_priced
    where not is_gift_card
),

zone as (
    select * from int_shop_time_zones_chosen
),

refunds as (
    select
        stg_shopify__refunds.order_id,
        stg_shopify__refunds.refund_id,
        local_date(stg_shopify__refunds.refunded_at, zone.time_zone) as refund_date
    from zone
    cross join stg_shopify__refunds
),

refunds_per_line as (
    select
        order_id,
        order_line_id,
        refund_id,
        currency_code,
        sum(subtotal_amount) as refunded_amount
    from stg_shopify__refund_lines
    group by order_id, order_line_id, refund_id, currency_code
),

unioned as (
    select
        order_line_id,
        order_id,
        'product_revenue' as component,
        'sale' as event_type,
        order_date as event_date,
        order_id as source_document_id,
        gross_amount as margin_amount,
        currency_code,
        true as is_order_currency
    from lines
    union all
    select
        order_line_id,
        order_id,
        'discount' as component,
        'sale' as event_type,
        order_date as event_date,
        order_id as source_document_id,
        -discount_amount as margin_amount,
        currency_code,
        true as is_order_currency
    from lines
    union all
    select
        lines.order_line_id,
        lines.order_id,
        'refund' as component,
        'refund' as event_type,
        refunds.refund_date as event_date,
        refunds_per_line.refund_id as source_document_id,
        -refunds_per_line.refunded_amount as margin_amount,
        refunds_per_line.currency_code,
        refunds_per_line.currency_code = lines.currency_code as is_order_currency
    from refunds_per_line
    inner join refunds
        on refunds_per_line.order_id = refunds.order_id
        and refunds_per_line.refund_id = refunds.refund_id
    inner join lines
        on refunds_per_line.order_id = lines.order_id
        and refunds_per_line.order_line_id = lines.order_line_id
)

select
    order_line_id,
    order_id,
    component,                              -- product_revenue, discount or refund
    event_type,                             -- sale or refund
    event_date,                             -- shop's day
    'shopify' as source_system,
    source_document_id,                     -- the order, or the refund
    cast(margin_amount as decimal(18, 4)) as margin_amount, -- signed effect on the margin
    currency_code,                          -- ISO 4217
    is_order_currency
from unioned
where margin_amount <> 0
