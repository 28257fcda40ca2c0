-- One row per order.
--
--! kind = "view"
--! key  = ["order_id"]
select
    id as order_id,
    customer_id,
    currency as currency_code,
    total as total_amount,
    tax as tax_amount,
    refunded as refund_amount,
    rate as exchange_rate,
    item_count,
    parcel_weight,
    item_lines,
    is_test,
    ordered_at,
    order_date
from raw.shopify.orders
