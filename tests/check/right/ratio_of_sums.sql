-- One row per currency_code.
--
--! kind = "full"
--! key  = ["currency_code"]
select
    currency_code,
    cast(
        cast(sum(cost_amount) as decimal(18, 4)) / cast(sum(total_amount) as decimal(18, 4))
        as decimal(18, 8)
    ) as cost_rate,
    max(margin_rate) as best_rate,
    cast(sum(margin_rate * total_amount) as decimal(18, 4)) as margin_amount
from int_order_margins
group by currency_code
