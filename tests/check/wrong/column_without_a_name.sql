-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    upper(currency_code),
    count(*),
    total_amount * 2
from stg_shopify__orders
group by order_id, currency_code, total_amount
--? E020 7:5
--? E020 8:5
--? E020 9:5
