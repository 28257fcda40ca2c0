-- One row per order.
--
--! kind       = "full"
--! key        = ["order_id"]
--! updated_at = "ordered_at"
select
    order_id,
    ordered_at
from stg_shopify__orders
--? E003 5:5
