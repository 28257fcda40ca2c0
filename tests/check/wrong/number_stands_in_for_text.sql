-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    coalesce(customer_id, item_count) as customer_id
from stg_shopify__orders
--? E015 7:5
