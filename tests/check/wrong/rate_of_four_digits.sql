-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(exchange_rate as decimal(18, 4)) as exchange_rate
from stg_shopify__orders
--? E023 7:46
