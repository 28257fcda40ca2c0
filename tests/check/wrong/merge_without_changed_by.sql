-- One row per order.
--
--! kind = "merge"
--! key  = ["order_id"]
select order_id from stg_shopify__orders
--? E003 3:13
