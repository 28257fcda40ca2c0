-- One row per order that Printify fulfils, newest version; samples and reprints are here, flagged.
--
-- Printify names no currency on an order: its cents are those of the account's billing currency,
-- which is US dollars unless the merchant chose another. A shop billed otherwise overrides
-- `currency_code` here and in `stg_printify__order_lines` and `stg_printify__product_variants`.
-- Costs are not final, and read as zero, while the status is `cost-calculation`.
--
--! kind       = "merge"
--! key        = ["printify_order_id"]
--! changed_by = ["printify_order_id"]
--! not_null   = ["order_status", "currency_code"]
with

newest as (
    select
        shop_id,
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printify.orders
    group by shop_id, id
),

versions as (
    select
        shop_id,
        id,
        _extracted_at,
        app_order_id,
        coalesce(status, 'unknown') as order_status,
        metadata['order_type'] as order_type,
        nullif(metadata['shop_order_id'], '') as order_id,
        metadata['shop_order_label'] as order_name,
        coalesce(metadata['is_reprint'], false) as is_reprint,
        address_to['country'] as shipping_country_name,
        coalesce(total_shipping, 0) as shipping_minor,
        coalesce(total_tax, 0) as tax_minor,
        created_at,
        sent_to_production_at,
        fulfilled_at
    from raw.printify.orders
)

select
    versions.id as printify_order_id,
    versions.shop_id as printify_shop_id,
    versions.app_order_id as printify_order_number, -- what Printify's pages show
    versions.order_id,                      -- the shop's order it was made for; null for a sample
    versions.order_name,
    versions.order_status,                  -- Printify's word, e.g. in-production, canceled
    versions.order_type,                    -- external, manual, sample or api
    versions.is_reprint,                    -- a free replacement of an earlier order
    versions.shipping_country_name,
    'USD' as currency_code,                 -- the account's billing currency, see above
    minor_to_amount(versions.shipping_minor, 'USD') as shipping_amount,
    minor_to_amount(versions.tax_minor, 'USD') as tax_amount, -- tax and VAT that Printify charged, order level only
    versions.created_at,                    -- UTC
    versions.sent_to_production_at,         -- UTC; null before
    versions.fulfilled_at,                  -- UTC; null before
    versions._extracted_at as extracted_at  -- UTC
from versions
inner join newest
    on versions.id = newest.id
    and versions.shop_id = newest.shop_id
    and cast(versions._extracted_at as bigint) = newest.newest_version
