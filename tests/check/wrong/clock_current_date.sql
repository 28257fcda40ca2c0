-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    current_date as built_date
from stg_shopify__orders
--? E045 7:5
