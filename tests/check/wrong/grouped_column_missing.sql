-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    customer_id,
    count(*) as line_count
from stg_shopify__orders
group by order_id
--? E013 7:5
