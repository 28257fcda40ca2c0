-- One row per order_id and order_line_id.
--
--! kind = "full"
--! key  = ["order_id", "order_line_id"]
select
    orders.order_id,
    lines.order_line_id,
    cast(sum(orders.total_amount) as decimal(18, 4)) as total_amount
from stg_shopify__orders as orders
inner join stg_shopify__order_lines as lines on orders.order_id = lines.order_id
group by orders.order_id, lines.order_line_id
