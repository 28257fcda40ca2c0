-- One row per order that has lines: its margin.
--
--! kind       = "merge"
--! key        = ["order_id"]
--! changed_by = ["order_id"]
--! not_null   = ["order_date", "margin_amount"]
with

sums as (
    select
        order_id,
        currency_code,
        count(*) as line_count,
        sum(quantity) as unit_count,
        sum(net_amount) as net_amount,
        sum(refund_amount) as refund_amount,
        sum(base_cost_amount) as base_cost_amount,
        sum(margin_amount) as margin_amount
    from int_bench_lines_costed
    group by order_id, currency_code
)

select
    stg_shopify__bench_orders.order_id,
    stg_shopify__bench_orders.order_name,
    stg_shopify__bench_orders.order_date,
    stg_shopify__bench_orders.currency_code,
    stg_shopify__bench_orders.is_cancelled,
    sums.line_count,
    cast(sums.unit_count as bigint) as unit_count,
    cast(sums.net_amount as decimal(18, 4)) as net_amount,
    cast(sums.refund_amount as decimal(18, 4)) as refund_amount,
    cast(sums.base_cost_amount as decimal(18, 4)) as base_cost_amount,
    stg_shopify__bench_orders.shipping_amount,
    cast(
        sums.margin_amount + coalesce(stg_shopify__bench_orders.shipping_amount, 0)
        as decimal(18, 4)
    ) as margin_amount,
    stg_shopify__bench_orders.extracted_at
from stg_shopify__bench_orders
inner join sums
    on stg_shopify__bench_orders.order_id = sums.order_id
    and stg_shopify__bench_orders.currency_code = sums.currency_code
