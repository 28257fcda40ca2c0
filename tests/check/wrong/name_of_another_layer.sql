-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select order_id from stg_shopify__orders
--? as sql/marts/int_orders.sql
--? E005 1:1
