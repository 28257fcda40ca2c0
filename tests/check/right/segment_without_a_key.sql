-- One row per customer who bought.
--
--! kind = "full"
select customer_id from stg_shopify__orders
--? as seg_buyers.sql
