-- One row per line of an order, newest version of the order.
--
--! kind       = "merge"
--! key        = ["order_line_id"]
--! changed_by = ["order_id"]
--! not_null   = ["order_id", "quantity", "currency_code"]
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
        "currencyCode" as currency_code,
        unnest("lineItems") as line
    from raw.shopify.orders
),

lines as (
    select
        id,
        _extracted_at,
        currency_code,
        split_part(line['id'], '/', -1) as order_line_id,
        split_part(line['product']['id'], '/', -1) as product_id,
        line['sku'] as sku,
        coalesce(line['quantity'], 0) as quantity,
        line['originalTotalSet']['shopMoney']['amount'] as gross_amount,
        line['discountedTotalSet']['shopMoney']['amount'] as net_amount
    from exploded
)

select
    lines.order_line_id,
    split_part(lines.id, '/', -1) as order_id,
    lines.product_id,
    lines.sku,
    lines.quantity,
    lines.gross_amount,
    lines.net_amount,
    lines.currency_code,
    lines._extracted_at as extracted_at
from lines
inner join newest
    on lines.id = newest.id
    and cast(lines._extracted_at as bigint) = newest.newest_version
