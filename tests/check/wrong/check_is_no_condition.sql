-- One row per order.
--
--! kind   = "full"
--! key    = ["order_id"]
--! checks = ["total_amount"]
select order_id, total_amount from stg_shopify__orders
--? E031 5:16
