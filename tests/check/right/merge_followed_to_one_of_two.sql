-- One row per order with the day's rate.
--
--! kind       = "merge"
--! key        = ["order_id"]
--! changed_by = ["order_id"]
with

newest as (
    select
        currency_code,
        max(rate_date) as rate_date
    from stg_fx__rates
    group by currency_code
)

select
    orders.order_id,
    newest.rate_date
from stg_shopify__orders as orders
left join newest on orders.currency_code = newest.currency_code
