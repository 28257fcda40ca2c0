-- One row per thing.
--
--! kind = "full"
select order_id, total_amount_usd as total_amount
from int_amounts_converted
union all
select order_id, total_amount_eur as total_amount
from int_amounts_converted
--? E041 7:18
