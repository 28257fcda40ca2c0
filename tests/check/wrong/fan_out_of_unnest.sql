-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
with

exploded as (
    select
        order_id,
        currency_code,
        total_amount,
        unnest(item_lines) as line
    from stg_shopify__orders
)

select
    order_id,
    currency_code,
    cast(sum(total_amount) as decimal(18, 4)) as total_amount,
    sum(line['quantity']) as unit_count
from exploded
group by order_id, currency_code
--? E040 19:10
