-- One row per order.
--
--! kind    = "full"
--! key     = ["order_id"]
--! sort_by = ["ordered_on"]
select order_id from stg_shopify__orders
--? E030 5:17
