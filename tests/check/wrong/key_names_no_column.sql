-- One row per order.
--
--! kind = "full"
--! key  = ["orderid"]
select order_id from stg_shopify__orders
--? E030 4:14
