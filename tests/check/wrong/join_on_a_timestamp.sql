-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select orders.order_id
from stg_shopify__orders as orders
inner join stg_shopify__transactions as transactions
    on orders.order_id = transactions.order_id
    and orders.ordered_at = transactions.created_at
--? E014 9:16
