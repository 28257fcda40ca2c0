-- One row per order and time.
--
--! kind       = "scd2"
--! key        = ["order_id"]
--! updated_at = "currency_code"
select
    order_id,
    currency_code
from stg_shopify__orders
--? E015 5:19
