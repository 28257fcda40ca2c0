-- One row per thing.
--
--! kind = "full"
select order_id, customer_id as party
from stg_shopify__orders
union all
select order_id, quantity as party
from stg_shopify__order_lines
--? E015 7:18
