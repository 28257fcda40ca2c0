-- One row per order_line_id.
--
--! kind = "full"
--! key  = ["order_line_id"]
select
    lines.order_line_id,
    cast(
        sum(orders.tax_amount) over (partition by orders.order_id) as decimal(18, 4)
    ) as tax_amount
from stg_shopify__order_lines as lines
inner join stg_shopify__orders as orders on lines.order_id = orders.order_id
--? E040 8:9
