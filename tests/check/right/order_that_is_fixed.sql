-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    array_agg(sku order by sku) as skus,
    array_sort(array_agg(order_line_id)) as order_line_ids,
    first_value(sku order by gross_amount desc, order_line_id) as dearest_sku
from stg_shopify__order_lines
group by order_id
