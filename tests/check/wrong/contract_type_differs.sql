-- One row per order.
--
--! kind    = "full"
--! key     = ["order_id"]
--! columns = ["order_id text", "item_count text"]
select
    order_id,
    item_count
from stg_shopify__orders
--? E033 5:34
