-- One row per order_date.
--
--! kind = "full"
--! key  = ["order_date"]
select
    order_date,
    cast(sum(total_amount * exchange_rate) as decimal(18, 4)) as reporting_amount,
    cast(sum(case when currency_code = 'EUR' then total_amount end) as decimal(18, 4)) as total_amount_eur
from stg_shopify__orders
group by order_date
