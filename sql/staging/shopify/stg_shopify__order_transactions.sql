-- One row per payment transaction of an order: authorisation, capture, sale, refund or void.
--
-- A view: nothing nightly reads it, since fees are counted from the processor's own ledger.
--
--! kind     = "view"
--! key      = ["order_transaction_id"]
--! not_null = ["order_id"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.orders
    group by id
),

exploded as (
    select
        id,
        _extracted_at,
        "currencyCode" as order_currency_code,
        unnest(transactions) as txn
    from raw.shopify.orders
),

flat as (
    select
        id,
        _extracted_at,
        split_part(txn['id'], '/', -1) as order_transaction_id,
        split_part(txn['parentTransaction']['id'], '/', -1) as parent_transaction_id,
        txn['kind'] as transaction_kind,
        txn['status'] as transaction_status,
        txn['gateway'] as gateway_name,
        txn['paymentId'] as payment_id,
        coalesce(txn['test'], false) as is_test,
        txn['amountSet']['shopMoney']['amount'] as transaction_amount,
        coalesce(txn['amountSet']['shopMoney']['currencyCode'], order_currency_code)
            as currency_code,
        txn['processedAt'] as processed_at
    from exploded
)

select
    flat.order_transaction_id,              -- numeric id, as text
    split_part(flat.id, '/', -1) as order_id,
    flat.parent_transaction_id,
    flat.transaction_kind,                  -- SALE, CAPTURE, REFUND, ..
    flat.transaction_status,
    flat.gateway_name,
    flat.payment_id,
    flat.is_test,
    flat.transaction_amount,                -- always positive; the kind gives the direction
    flat.currency_code,                     -- ISO 4217
    flat.processed_at,                      -- UTC
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
