-- One row per order.
--
--! kind = "full"
select order_id from stg_shopify__orders
--! key = ["order_id"]
--? E002 5:1
