-- One row per order and time.
--
--! kind       = "scd2"
--! key        = ["order_id"]
--! updated_at = "changed_at"
select order_id from stg_shopify__orders
--? E030 5:19
