-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(
        total_amount * coalesce(cast(exchange_rate as decimal(18, 8)), cast(1.0 as decimal(18, 8)))
        as decimal(18, 4)
    ) as reporting_amount
from stg_shopify__orders
--? E043 8:24
