-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    converted.order_id,
    cast(converted.total_amount_usd - converted.tax_amount_usd as decimal(18, 4)) as net_amount_usd,
    cast(orders.total_amount * 2 + orders.tax_amount as decimal(18, 4)) as more_amount,
    cast(converted.total_minor / 100 as decimal(18, 4)) as total_amount,
    orders.total_amount > 100 and orders.item_count > 1 as is_large
from int_amounts_converted as converted
inner join stg_shopify__orders as orders on converted.order_id = orders.order_id
