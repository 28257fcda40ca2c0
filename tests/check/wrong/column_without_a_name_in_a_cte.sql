-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
with orders as (
    select order_id, upper(currency_code) from stg_shopify__orders
)

select * from orders
--? E020 6:22
