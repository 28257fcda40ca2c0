-- One row per rate_date.
--
--! kind = "full"
--! key  = ["rate_date"]
select
    rates.rate_date,
    sum(orders.item_count) as item_count
from stg_shopify__orders as orders
cross join stg_fx__rates as rates
group by rates.rate_date
--? E040 7:5
