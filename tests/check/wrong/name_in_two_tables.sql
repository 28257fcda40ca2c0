-- One row per order and transaction.
--
--! kind = "full"
--! key  = ["order_id", "transaction_id"]
select
    order_id,
    transactions.transaction_id
from stg_shopify__orders as orders
inner join stg_shopify__transactions as transactions
    on orders.order_id = transactions.order_id
--? E013 6:5
