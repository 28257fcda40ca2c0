-- One row per order.
--
--! kind    = "full"
--! key     = ["order_id"]
--! columns = ["order_id", "customer_id"]
select order_id from stg_shopify__orders
--? E033 5:29
