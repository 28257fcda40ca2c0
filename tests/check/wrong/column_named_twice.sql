-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    total_amount,
    tax_amount as total_amount
from stg_shopify__orders
--? E020 8:19
