-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(total_amount_usd + total_amount_eur as decimal(18, 4)) as total_amount
from int_amounts_converted
--? E041 7:10
