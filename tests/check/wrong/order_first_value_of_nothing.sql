-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    first_value(sku) as sku
from stg_shopify__order_lines
group by order_id
--? E046 7:5
