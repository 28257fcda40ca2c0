-- One row per customer_id.
--
--! kind = "full"
--! key  = ["customer_id"]
with

rates as (
    select * from stg_fx__rates
    where rate_date = '2026-11-01'
)

select
    orders.customer_id,
    sum(orders.item_count) as item_count
from stg_shopify__orders as orders
inner join rates on orders.currency_code = rates.currency_code
group by orders.customer_id
