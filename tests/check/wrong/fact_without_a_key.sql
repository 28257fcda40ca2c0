-- One row per order.
--
--! kind = "full"
select order_id from stg_shopify__orders
--? as fct_orders.sql
--? E032 3:1
