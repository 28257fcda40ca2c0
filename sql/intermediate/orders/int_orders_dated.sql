-- One row per order, test orders left out for good, with its day in the shop's zone.
--
--! kind       = "merge"
--! key        = ["order_id"]
--! changed_by = ["order_id"]
--! dated_by   = "order_date"
--! not_null   = ["order_date", "currency_code", "is_cancelled"]
with

orders as (
    select * from stg_shopify__orders
    where not is_test
),

zone as (
    select * from int_shop_time_zones_chosen
)

select
    orders.order_id,
    orders.order_name,
    orders.customer_id,                     -- null for a guest checkout
    orders.currency_code,                   -- ISO 4217
    orders.shipping_country_code,
    orders.is_cancelled,
    local_date(orders.ordered_at, zone.time_zone) as order_date, -- shop's day
    orders.ordered_at                       -- UTC
from zone
cross join orders
