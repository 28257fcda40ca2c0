-- One row per order and time.
--
--! kind = "scd2"
--! key  = ["order_id"]
select
    order_id,
    is_test as is_current
from stg_shopify__orders
--? E020 7:16
