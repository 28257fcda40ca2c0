-- One row per customer_id and currency_code.
--
--! kind = "full"
--! key  = ["customer_id", "currency_code"]
select
    orders.customer_id,
    orders.currency_code,
    cast(sum(lines.gross_amount) as decimal(18, 4)) as gross_amount,
    cast(sum(lines.quantity * orders.exchange_rate) as decimal(18, 8)) as weighed_number,
    count(distinct orders.order_id) as order_count,
    max(orders.total_amount) as highest_amount,
    count(*) as line_count
from stg_shopify__orders as orders
inner join stg_shopify__order_lines as lines on orders.order_id = lines.order_id
group by orders.customer_id, orders.currency_code
