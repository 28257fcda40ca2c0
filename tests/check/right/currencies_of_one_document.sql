-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    orders.order_id,
    cast(sum(orders.total_amount) as decimal(18, 4)) as total_amount,
    sum(orders.item_count) as item_count
from stg_shopify__orders as orders
group by orders.order_id
