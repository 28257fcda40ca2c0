-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    converted.order_id,
    cast(orders.total_amount - converted.total_minor as decimal(18, 4)) as rest_amount
from int_amounts_converted as converted
inner join stg_shopify__orders as orders on converted.order_id = orders.order_id
--? E041 7:10
