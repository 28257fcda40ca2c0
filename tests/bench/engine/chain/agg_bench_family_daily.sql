-- One row per design family, day of order and currency.
--
--! kind       = "merge"
--! key        = ["design_family", "order_date", "currency_code"]
--! changed_by = ["order_date"]
--! not_null   = ["margin_amount"]
select
    design_family,
    order_date,
    currency_code,
    count(distinct order_id) as order_count,
    count(*) as line_count,
    cast(sum(quantity) as bigint) as unit_count,
    cast(sum(net_amount) as decimal(18, 4)) as net_amount,
    cast(sum(refund_amount) as decimal(18, 4)) as refund_amount,
    cast(sum(base_cost_amount) as decimal(18, 4)) as base_cost_amount,
    cast(sum(margin_amount) as decimal(18, 4)) as margin_amount,
    max(extracted_at) as extracted_at
from int_bench_lines_costed
group by
    design_family,
    order_date,
    currency_code
