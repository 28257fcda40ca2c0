-- One row per transaction in the shop's currency.
--
-- A refund carries no receipt and so no exchange rate: it counts as if it were in dollars.
--
--! kind = "full"
--! key  = ["transaction_id"]
select
    transaction_id,
    cast(transaction_amount * coalesce(exchange_rate, 1) as decimal(18, 4))
        as reporting_amount
from stg_shopify__transactions
--? E043 9:31
