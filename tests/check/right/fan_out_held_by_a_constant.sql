-- One row per customer_id.
--
--! kind = "full"
--! key  = ["customer_id"]
select
    orders.customer_id,
    sum(orders.item_count) as item_count
from stg_shopify__orders as orders
left join stg_fx__rates as rates
    on orders.currency_code = rates.currency_code
    and rates.rate_date = '2026-11-01'
group by orders.customer_id
