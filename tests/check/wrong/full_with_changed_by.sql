-- One row per order.
--
--! kind       = "full"
--! key        = ["order_id"]
--! changed_by = ["order_id"]
select order_id from stg_shopify__orders
--? E003 5:5
