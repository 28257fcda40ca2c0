-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    orders.order_id,
    orders.currency_code,
    cast(sum(lines.gross_amount) as decimal(18, 4)) as gross_amount,
    cast(sum(refunds.refund_amount) as decimal(18, 4)) as refund_amount
from stg_shopify__orders as orders
left join stg_shopify__order_lines as lines on orders.order_id = lines.order_id
left join stg_shopify__refunds as refunds on orders.order_id = refunds.order_id
group by orders.order_id, orders.currency_code
--? E040 8:10
--? E040 9:10
