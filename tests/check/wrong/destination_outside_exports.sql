-- One row per order.
--
--! kind        = "full"
--! destination = "klaviyo"
select order_id from stg_shopify__orders
--? E003 4:20
