-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(
        case when exchange_rate is null then 1 else exchange_rate end as decimal(18, 8)
    ) as exchange_rate
from stg_shopify__orders
--? E043 8:9
