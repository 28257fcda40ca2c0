-- One row per order and currency.
--
--! kind = "full"
--! key  = ["order_id", "currency_code"]
select
    order_id,
    currency_code,
    sum(gross_amount) as gross_amount
from stg_shopify__order_lines
group by order_id, currency_code
--? E022 8:26
