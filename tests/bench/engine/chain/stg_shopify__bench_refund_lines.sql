-- One row per order line within a refund, newest version of the order.
--
--! kind       = "merge"
--! key        = ["refund_line_id"]
--! changed_by = ["order_id"]
--! not_null   = ["order_id", "order_line_id", "refund_amount"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.orders
    group by id
),

refunds as (
    select
        id,
        _extracted_at,
        unnest(refunds) as refund
    from raw.shopify.orders
),

parts as (
    select
        id,
        _extracted_at,
        unnest(refund['refundLineItems']) as part
    from refunds
),

flat as (
    select
        id,
        _extracted_at,
        split_part(part['id'], '/', -1) as refund_line_id,
        split_part(part['lineItem']['id'], '/', -1) as order_line_id,
        coalesce(part['quantity'], 0) as quantity,
        coalesce(part['subtotalSet']['shopMoney']['amount'], 0) as subtotal_amount
    from parts
)

select
    flat.refund_line_id,
    split_part(flat.id, '/', -1) as order_id,
    flat.order_line_id,
    flat.quantity,
    cast(flat.subtotal_amount as decimal(18, 4)) as refund_amount,
    flat._extracted_at as extracted_at
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
