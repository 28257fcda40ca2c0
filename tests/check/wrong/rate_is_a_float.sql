-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(exchange_rate as double) as exchange_rate
from stg_shopify__orders
--? E021 7:38
