-- One row per order.
--
--! kind = "fully"
select order_id from stg_shopify__orders
--? E002 3:12
