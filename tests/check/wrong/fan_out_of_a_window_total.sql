-- One row per sku and currency_code.
--
--! kind = "full"
--! key  = ["sku", "currency_code"]
with

lines as (
    select
        order_id,
        sku,
        currency_code,
        sum(gross_amount) over (partition by order_id, currency_code) as order_amount
    from stg_shopify__order_lines
)

select
    sku,
    currency_code,
    cast(sum(order_amount) as decimal(18, 4)) as order_amount
from lines
group by sku, currency_code
--? E040 19:10
