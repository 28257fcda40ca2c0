-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select orders.order_id
from stg_shopify__orders as orders
left join int_refunds_sumed as refunds on orders.order_id = refunds.order_id
--? E010 7:11
