-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    lines.order_id,
    cast(sum(lines.quantity * prices.unit_cost_amount) as decimal(18, 4)) as cost_amount,
    sum(lines.quantity) as unit_count
from stg_shopify__order_lines as lines
inner join stg_shopify__orders as orders on lines.order_id = orders.order_id
left join stg_printify__prices as prices
    on lines.sku = prices.sku
    and orders.order_date >= prices.valid_from_date
    and orders.order_date < prices.valid_to_date
group by lines.order_id
