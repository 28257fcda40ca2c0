-- One row per currency_code.
--
--! kind = "full"
--! key  = ["currency_code"]
select
    orders.currency_code,
    cast(sum(distinct orders.total_amount) as decimal(18, 4)) as total_amount
from stg_shopify__orders as orders
inner join stg_shopify__order_lines as lines on orders.order_id = lines.order_id
group by orders.currency_code
--? E040 7:10
