-- One row per order with what is left of it.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    customer_id,
    currency_code,
    order_date,
    total_amount,
    tax_amount as cost_amount,
    cast(1 - tax_amount / total_amount as decimal(18, 8)) as margin_rate
from stg_shopify__orders
