-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    array_agg(sku) as skus
from stg_shopify__order_lines
group by order_id
--? E046 7:5
