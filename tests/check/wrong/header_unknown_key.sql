-- One row per order.
--
--! kind = "full"
--! keys = ["order_id"]
select order_id from stg_shopify__orders
--? E002 4:5
