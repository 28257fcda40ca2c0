-- One row per order with its place among all.
--
--! kind       = "merge"
--! key        = ["order_id"]
--! changed_by = ["order_id"]
select
    order_id,
    rank() over (order by order_date, order_id) as place
from stg_shopify__orders
--? E035 5:20
