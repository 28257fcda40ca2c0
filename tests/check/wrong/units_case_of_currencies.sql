-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    case when tax_amount_usd > 0 then total_amount_usd else total_amount_eur end as total_amount
from int_amounts_converted
--? E041 7:5
