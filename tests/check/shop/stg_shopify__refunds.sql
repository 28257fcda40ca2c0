-- One row per refund.
--
--! kind = "view"
--! key  = ["refund_id"]
select
    id as refund_id,
    order_id,
    price as refund_amount,
    currency as currency_code
from raw.shopify.transactions
where kind = 'refund'
