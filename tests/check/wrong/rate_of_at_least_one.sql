-- One row per transaction in the shop's currency.
--
--! kind = "full"
--! key  = ["transaction_id"]
select
    transaction_id,
    cast(transaction_amount * greatest(exchange_rate, 1) as decimal(18, 4)) as reporting_amount
from stg_shopify__transactions
--? E043 7:31
