-- One row per customer_id.
--
--! kind = "full"
--! key  = ["customer_id"]
select
    orders.customer_id,
    count(orders.order_id) as order_count
from stg_shopify__orders as orders
inner join stg_shopify__order_lines as lines on orders.order_id = lines.order_id
group by orders.customer_id
--? E040 7:5
