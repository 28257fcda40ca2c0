-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
with

lines as (
    select
        order_id,
        currency_code,
        sum(gross_amount) as gross_amount
    from stg_shopify__order_lines
    group by order_id, currency_code
)

select
    order_id,
    cast(sum(gross_amount) as decimal(18, 4)) as gross_amount
from lines
group by order_id
--? E042 18:10
