-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(cost_amount + margin_rate as decimal(18, 4)) as price_amount
from int_order_margins
--? E041 7:10
