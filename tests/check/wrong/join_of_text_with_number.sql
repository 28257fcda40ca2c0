-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select orders.order_id
from stg_shopify__orders as orders
inner join stg_shopify__order_lines as lines
    on orders.order_id = lines.quantity
--? E015 8:8
