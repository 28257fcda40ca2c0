-- One row per line of an order that counts: what it brought, what went back, what it cost.
--
--! kind       = "merge"
--! key        = ["order_line_id"]
--! changed_by = ["order_id"]
--! not_null   = ["order_id", "design_family", "order_date", "margin_amount"]
with

orders as (
    select
        order_id,
        order_date
    from stg_shopify__bench_orders
    where not is_test
),

refunds as (
    select
        order_line_id,
        order_id,
        sum(refund_amount) as refund_amount
    from stg_shopify__bench_refund_lines
    group by order_line_id, order_id
),

amounts as (
    select
        lines.order_line_id,
        lines.order_id,
        orders.order_date,
        coalesce(stg_shopify__bench_families.design_family, 'untagged') as design_family,
        lines.currency_code,
        lines.quantity,
        cast(coalesce(lines.net_amount, 0) as decimal(18, 4)) as net_amount,
        cast(coalesce(refunds.refund_amount, 0) as decimal(18, 4)) as refund_amount,
        cast(
            coalesce(stg_printify__bench_unit_costs.unit_cost_amount, 0) * lines.quantity
            as decimal(18, 4)
        ) as base_cost_amount,
        lines.extracted_at
    from stg_shopify__bench_lines as lines
    inner join orders on lines.order_id = orders.order_id
    left join refunds
        on lines.order_line_id = refunds.order_line_id
        and lines.order_id = refunds.order_id
    left join stg_shopify__bench_families
        on lines.product_id = stg_shopify__bench_families.product_id
    left join stg_printify__bench_unit_costs on lines.sku = stg_printify__bench_unit_costs.sku
)

select
    order_line_id,
    order_id,
    order_date,
    design_family,
    currency_code,
    quantity,
    net_amount,
    refund_amount,
    base_cost_amount,
    cast(net_amount - refund_amount - base_cost_amount as decimal(18, 4)) as margin_amount,
    extracted_at
from amounts
