-- One row per customer_id.
--
--! kind = "full"
--! key  = ["customer_id"]
select
    orders.customer_id,
    sum(orders.item_count) as item_count
from stg_shopify__orders as orders
where
    exists (
        select 1
        from stg_shopify__transactions as transactions
        where transactions.order_id = orders.order_id
    )
    and orders.order_id in (select order_id from stg_shopify__order_lines)
group by orders.customer_id
