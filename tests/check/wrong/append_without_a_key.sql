-- One row per order.
--
--! kind = "append"
select order_id from stg_shopify__orders
--? E003 3:13
