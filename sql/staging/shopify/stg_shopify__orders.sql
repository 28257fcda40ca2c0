-- One row per order of the shop, newest version, in the shop's currency.
--
-- Test and cancelled orders are here, flagged. Amounts are what Shopify says of the order as
-- sold (not `current_*`); the buyer's own currency is only named.
--
--! kind       = "merge"
--! key        = ["order_id"]
--! changed_by = ["order_id"]
--! not_null   = ["currency_code", "ordered_at"]
--! checks     = [{ steady = "rows", severity = "warn" }]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.orders
    group by id
),

-- Flat before the join, so that the join carries no nested column.
versions as (
    select
        id,
        _extracted_at,
        name as order_name,
        split_part(customer['id'], '/', -1) as customer_id,
        "currencyCode" as currency_code,
        "presentmentCurrencyCode" as presentment_currency_code,
        "displayFinancialStatus" as order_financial_status,
        "displayFulfillmentStatus" as order_fulfillment_status,
        "sourceName" as sales_channel_name,
        "shippingAddress"['countryCodeV2'] as shipping_country_code,
        "shippingAddress"['provinceCode'] as shipping_province_code,
        "cancelReason" as cancel_reason,
        coalesce(test, false) as is_test,
        coalesce(edited, false) as is_edited,
        "cancelledAt" is not null as is_cancelled,
        coalesce("taxesIncluded", false) as has_taxes_included,
        "totalPriceSet"['shopMoney']['amount'] as total_amount,
        "subtotalPriceSet"['shopMoney']['amount'] as subtotal_amount,
        "totalDiscountsSet"['shopMoney']['amount'] as discount_amount,
        "totalTaxSet"['shopMoney']['amount'] as tax_amount,
        "totalShippingPriceSet"['shopMoney']['amount'] as shipping_amount,
        "totalRefundedSet"['shopMoney']['amount'] as refunded_amount,
        "netPaymentSet"['shopMoney']['amount'] as net_payment_amount,
        "totalTipReceivedSet"['shopMoney']['amount'] as tip_amount,
        coalesce("processedAt", "createdAt") as ordered_at,
        "createdAt" as created_at,
        "cancelledAt" as cancelled_at,
        "closedAt" as closed_at,
        "updatedAt" as updated_at
    from raw.shopify.orders
)

select
    split_part(versions.id, '/', -1) as order_id, -- numeric id, as text
    versions.order_name,                    -- what people read, e.g. #1001
    versions.customer_id,                   -- null for a guest checkout
    versions.currency_code,                 -- ISO 4217; the unit of every *_amount here
    versions.presentment_currency_code,     -- what the buyer paid in
    versions.order_financial_status,
    versions.order_fulfillment_status,
    versions.sales_channel_name,
    versions.shipping_country_code,         -- ISO 3166 alpha-2; null when nothing ships
    versions.shipping_province_code,
    versions.cancel_reason,
    versions.is_test,
    versions.is_edited,
    versions.is_cancelled,
    versions.has_taxes_included,            -- prices contain the sales tax
    versions.total_amount,                  -- lines - discounts + shipping + tax, as sold
    versions.subtotal_amount,               -- lines - discounts
    versions.discount_amount,
    versions.tax_amount,
    versions.shipping_amount,               -- charged to the buyer
    versions.refunded_amount,               -- given back so far
    versions.net_payment_amount,
    versions.tip_amount,
    versions.ordered_at,                    -- UTC; when it was processed
    versions.created_at,                    -- UTC
    versions.cancelled_at,                  -- UTC
    versions.closed_at,                     -- UTC
    versions.updated_at,                    -- UTC
    versions._extracted_at as extracted_at  -- UTC
from versions
inner join newest
    on versions.id = newest.id
    and cast(versions._extracted_at as bigint) = newest.newest_version
