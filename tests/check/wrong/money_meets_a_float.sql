-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(total_amount * parcel_weight as decimal(18, 4)) as freight_amount
from stg_shopify__orders
--? E015 7:10
