-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    coalesce(item_count, 1) as item_count,
    cast(coalesce(margin_rate, 1) as decimal(18, 8)) as margin_rate
from int_order_margins
inner join (select order_id as other_id, item_count from stg_shopify__orders) as orders
    on int_order_margins.order_id = orders.other_id
