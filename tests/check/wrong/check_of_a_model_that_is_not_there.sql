-- One row per order.
--
--! kind   = "full"
--! key    = ["order_id"]
--! checks = [{ references = "dim_customer.customer_id" }]
select
    order_id,
    customer_id
from stg_shopify__orders
--? E034 5:31
