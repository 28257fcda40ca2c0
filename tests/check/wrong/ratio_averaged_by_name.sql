-- One row per order_date.
--
--! kind = "full"
--! key  = ["order_date"]
select
    order_date,
    cast(avg(margin_rate) as decimal(18, 8)) as margin_rate
from int_order_margins
group by order_date
--? E044 7:10
