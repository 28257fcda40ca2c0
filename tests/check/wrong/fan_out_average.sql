-- One row per currency_code.
--
--! kind = "full"
--! key  = ["currency_code"]
select
    orders.currency_code,
    cast(avg(orders.total_amount) as decimal(18, 4)) as average_amount
from stg_shopify__orders as orders
inner join stg_shopify__order_lines as lines on orders.order_id = lines.order_id
group by orders.currency_code
--? E040 7:10
