-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    allocate(total_amount, currency_code) as parts
from stg_shopify__orders
--? E012 7:5
