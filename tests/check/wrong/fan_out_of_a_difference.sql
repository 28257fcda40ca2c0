-- One row per customer_id and currency_code.
--
--! kind = "full"
--! key  = ["customer_id", "currency_code"]
select
    orders.customer_id,
    orders.currency_code,
    cast(sum(orders.total_amount - lines.gross_amount) as decimal(18, 4)) as rest_amount
from stg_shopify__orders as orders
inner join stg_shopify__order_lines as lines on orders.order_id = lines.order_id
group by orders.customer_id, orders.currency_code
--? E040 8:10
