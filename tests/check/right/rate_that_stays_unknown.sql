-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(total_amount * exchange_rate as decimal(18, 4)) as reporting_amount,
    coalesce(exchange_rate, 0) = 0 as has_no_rate
from stg_shopify__orders
