--! kind = "full"
select order_id from stg_shopify__orders
--? E001 1:1
