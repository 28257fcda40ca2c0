-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
with

rates as (
    select
        rate_date,
        currency_code,
        exchange_rate as worth
    from stg_fx__rates
)

select
    orders.order_id,
    cast(nvl(rates.worth, 1) as decimal(18, 8)) as exchange_rate
from stg_shopify__orders as orders
left join rates
    on orders.currency_code = rates.currency_code
    and orders.order_date = rates.rate_date
--? E043 17:10
