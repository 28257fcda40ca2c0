-- One row per currency_code.
--
--! kind = "full"
--! key  = ["currency_code"]
select
    currency_code,
    cast(avg(cost_amount / total_amount) as decimal(18, 8)) as cost_rate
from int_order_margins
group by currency_code
--? E044 7:10
