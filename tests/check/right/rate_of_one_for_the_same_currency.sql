-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(
        case when currency_code = 'USD' then 1 else exchange_rate end as decimal(18, 8)
    ) as exchange_rate,
    cast(
        case when currency_code <> 'USD' then exchange_rate else 1 end as decimal(18, 8)
    ) as same_rate
from stg_shopify__orders
