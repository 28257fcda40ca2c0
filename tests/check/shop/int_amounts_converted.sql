-- One row per order, its amounts in several currencies.
--
--! kind = "full"
--! key  = ["order_id"]
select
    order_id,
    cast(total_amount * exchange_rate as decimal(18, 4)) as total_amount_usd,
    cast(total_amount * exchange_rate as decimal(18, 4)) as total_amount_eur,
    cast(tax_amount * exchange_rate as decimal(18, 4)) as tax_amount_usd,
    cast(100 * total_amount as bigint) as total_minor
from stg_shopify__orders
