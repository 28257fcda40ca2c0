-- One row per order and document whose money belongs to the whole order, before it is split.
--
-- Shipping charged, shipping given back, adjustments of refunds, payment fees, shares of ad spend.
-- The sign is the effect on the margin.
--
--! kind     = "view"
--! key      = ["order_id", "component", "source_document_id"]
--! not_null = ["margin_amount", "currency_code"]
with

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

shipping_charges as (
    select
        order_id,
        currency_code,
        sum(discounted_amount) as charged_amount
    from stg_shopify__order_shipping_lines
    where not is_removed
    group by order_id, currency_code
),

shipping_refunds as (
    select
        order_id,
        refund_id,
        currency_code,
        sum(subtotal_amount) as refunded_amount
    from stg_shopify__refund_shipping_lines
    group by order_id, refund_id, currency_code
),

adjustments as (
    select
        order_id,
        refund_id,
        currency_code,
        sum(adjustment_amount) as adjustment_amount
    from stg_shopify__order_adjustments
    group by order_id, refund_id, currency_code
),

fees as (
    select * from int_stripe_fees_matched
    where order_id is not null
),

ad_shares as (
    select * from int_ad_shares_allocated
),

unioned as (
    select
        order_id,
        'shipping_revenue' as component,
        'sale' as event_type,
        'shopify' as source_system,
        order_id as source_document_id,
        cast(null as date) as event_date,
        charged_amount as margin_amount,
        currency_code
    from shipping_charges
    union all
    select
        shipping_refunds.order_id,
        'shipping_refund' as component,
        'refund' as event_type,
        'shopify' as source_system,
        shipping_refunds.refund_id as source_document_id,
        refunds.refund_date as event_date,
        -shipping_refunds.refunded_amount as margin_amount,
        shipping_refunds.currency_code
    from shipping_refunds
    inner join refunds
        on shipping_refunds.order_id = refunds.order_id
        and shipping_refunds.refund_id = refunds.refund_id
    union all
    select
        adjustments.order_id,
        'order_adjustment' as component,
        'refund' as event_type,
        'shopify' as source_system,
        adjustments.refund_id as source_document_id,
        refunds.refund_date as event_date,
        adjustments.adjustment_amount as margin_amount,
        adjustments.currency_code
    from adjustments
    inner join refunds
        on adjustments.order_id = refunds.order_id
        and adjustments.refund_id = refunds.refund_id
    union all
    select
        order_id,
        'payment_fee' as component,
        'fee' as event_type,
        'stripe' as source_system,
        stripe_balance_transaction_id as source_document_id,
        event_date,
        -fee_amount as margin_amount,
        currency_code
    from fees
    union all
    select
        order_id,
        'ad_spend' as component,
        'ads' as event_type,
        'meta' as source_system,
        ad_id || ':' || cast(spend_date as text) as source_document_id,
        spend_date as event_date,
        -share_amount as margin_amount,
        currency_code
    from ad_shares
)

select
    order_id,
    component,                              -- what kind of money it is
    event_type,                             -- sale, refund, fee or ads
    source_system,                          -- whose document it is
    source_document_id,                     -- order, refund, balance transaction, or ad and day
    event_date,                             -- null: the order's own day
    cast(margin_amount as decimal(18, 4)) as margin_amount, -- signed effect on the margin
    currency_code                           -- ISO 4217
from unioned
where margin_amount <> 0
