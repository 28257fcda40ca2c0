-- One row per order_date and currency_code.
--
--! kind = "full"
--! key  = ["order_date", "currency_code"]
select
    order_date,
    currency_code,
    cast(sum(total_amount) as decimal(18, 4)) as total_amount
from stg_shopify__orders
group by order_date, currency_code
