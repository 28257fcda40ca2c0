-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    coalesce(total_amount_usd, total_amount_eur) as total_amount
from int_amounts_converted
--? E041 7:5
