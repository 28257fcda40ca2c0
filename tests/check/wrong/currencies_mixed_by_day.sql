-- One row per order_date.
--
--! kind = "full"
--! key  = ["order_date"]
select
    order_date,
    cast(sum(total_amount) as decimal(18, 4)) as total_amount
from stg_shopify__orders
group by order_date
--? E042 7:10
