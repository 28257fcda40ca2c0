-- One row per order_date.
--
--! kind = "full"
--! key  = ["order_date"]
select
    order_date,
    cast(sum(total_amount) as decimal(18, 4)) as total_amount
from stg_shopify__orders
where currency_code = 'USD'
group by order_date
