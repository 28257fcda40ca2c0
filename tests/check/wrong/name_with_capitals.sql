-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select order_id from stg_shopify__orders
--? as sql/marts/fct_Orders.sql
--? E005 1:1
