-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select order_id
from stg_shopify__orders
where
    order_date >= '2026-11-01'
    and ordered_at < '2026-12-01'
    and total_amount > item_count * 2
    and customer_id = cast(42 as text)
    and parcel_weight > 1
