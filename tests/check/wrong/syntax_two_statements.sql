-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select order_id from stg_shopify__orders;
select 1 as one
--? E004 6:1
