-- One row per order.
--
--! kind   = "full"
--! key    = ["order_id"]
--! checks = [{ references = "dim_customers.customer_id", column = "item_count" }]
select
    order_id,
    item_count
from stg_shopify__orders
--? E034 5:31
