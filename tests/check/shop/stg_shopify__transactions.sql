-- One row per transaction: an authorization, a capture, a sale or a refund of an order.
--
--! kind = "view"
--! key  = ["transaction_id"]
select
    id as transaction_id,
    order_id,
    kind as transaction_kind,
    price as transaction_amount,
    currency as currency_code,
    rate as exchange_rate,
    created_at
from raw.shopify.transactions
