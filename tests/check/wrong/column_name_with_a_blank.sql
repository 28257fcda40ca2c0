-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    currency_code as "Order Currency"
from stg_shopify__orders
--? E020 7:22
