-- One row per order.
--
--! kind    = "full"
--! key     = ["order_id"]
--! columns = ["order_id text", "total_amount decimal(18,4)", "ordered_at timestamp", "item_count"]
--! tags    = ["finance"]
select
    order_id,
    total_amount,
    ordered_at,
    item_count
from stg_shopify__orders
