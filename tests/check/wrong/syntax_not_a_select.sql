-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
delete from stg_shopify__orders
--? E004 5:1
