-- One row per order that Printful fulfils, with its order-level costs, newest version.
--
-- Costs are null while Printful still calculates them; a null reads as nothing charged yet.
--
--! kind       = "merge"
--! key        = ["printful_order_id"]
--! changed_by = ["printful_order_id"]
--! not_null   = ["order_status", "currency_code"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printful.orders
    group by id
),

versions as (
    select
        id,
        _extracted_at,
        nullif(external_id, '') as order_id,
        cast(store as text) as printful_store_id,
        coalesce(status, 'unknown') as order_status,
        shipping_service_name,
        recipient['country_code'] as shipping_country_code,
        upper(coalesce(costs['currency'], 'USD')) as currency_code,
        costs['subtotal'] as subtotal_amount,
        coalesce(costs['discount'], 0) as discount_amount,
        coalesce(costs['shipping'], 0) as shipping_amount,
        coalesce(costs['digitization'], 0) + coalesce(costs['additional_fee'], 0)
            + coalesce(costs['fulfillment_fee'], 0) + coalesce(costs['retail_delivery_fee'], 0)
            as fee_amount,
        coalesce(costs['tax'], 0) + coalesce(costs['vat'], 0) as tax_amount,
        costs['total'] as total_amount,
        created as created_at,
        updated as updated_at
    from raw.printful.orders
)

select
    versions.id as printful_order_id,
    versions.order_id,                      -- the shop's order it was made for; null for a sample
    versions.printful_store_id,
    versions.order_status,                  -- draft, pending, failed, canceled, inprocess, ..
    versions.shipping_service_name,
    versions.shipping_country_code,
    versions.currency_code,                 -- ISO 4217; the unit of every *_amount here
    versions.subtotal_amount,               -- items and branding; null while calculating
    cast(versions.discount_amount as decimal(18, 4)) as discount_amount, -- positive: taken off
    cast(versions.shipping_amount as decimal(18, 4)) as shipping_amount,
    cast(versions.fee_amount as decimal(18, 4)) as fee_amount, -- digitisation, handling, delivery fees
    cast(versions.tax_amount as decimal(18, 4)) as tax_amount, -- sales tax and VAT that Printful charged
    versions.total_amount,                  -- the document's total; null while calculating
    versions.created_at,                    -- UTC
    versions.updated_at,                    -- UTC
    versions._extracted_at as extracted_at  -- UTC
from versions
inner join newest
    on versions.id = newest.id
    and cast(versions._extracted_at as bigint) = newest.newest_version
