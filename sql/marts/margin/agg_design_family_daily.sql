-- One row per design family, day of order and currency: the profit and loss of a family.
--
-- A line counts on the day it was ordered, with all that came of it later (refunds, late invoices),
-- so a day keeps moving until its orders are settled. Lines without a family are `untagged`.
-- Already rolled up: `order_count` must not be added over families.
--
--! kind       = "merge"
--! key        = ["design_family", "order_date", "currency_code"]
--! changed_by = ["design_family", "order_date", "currency_code"]
--! not_null   = ["net_sales_amount", "cm1_amount", "cm2_amount", "cm3_amount"]
--! checks     = [
--!     "cm3_amount = cm2_amount + ad_spend_amount",
--!     "order_count <= line_count",
--!     "cost_completeness_rate <= 1",
--! ]
with

lines as (
    select
        *,
        coalesce(design_family, 'untagged') as family_name
    from fct_order_lines
),

days as (
    select
        family_name,
        order_date,
        currency_code,
        count(distinct order_id) as order_count,
        count(*) as line_count,
        sum(quantity) as unit_count,
        sum(refunded_quantity) as refunded_unit_count,
        sum(net_sales_amount) as net_sales_amount,
        sum(net_revenue_amount) as net_revenue_amount,
        sum(base_cost_amount) as base_cost_amount,
        sum(supplier_discount_amount) as supplier_discount_amount,
        sum(supplier_fee_amount) as supplier_fee_amount,
        sum(shipping_cost_amount) as shipping_cost_amount,
        sum(supplier_tax_amount) as supplier_tax_amount,
        sum(payment_fee_amount) as payment_fee_amount,
        sum(ad_spend_amount) as ad_spend_amount,
        sum(estimated_cost_amount) as estimated_cost_amount,
        sum(cm1_amount) as cm1_amount,
        sum(cm2_amount) as cm2_amount,
        sum(cm3_amount) as cm3_amount,
        sum(unconverted_component_count) as unconverted_component_count
    from lines
    group by family_name, order_date, currency_code
),

costs as (
    select
        *,
        base_cost_amount + supplier_discount_amount + supplier_fee_amount + shipping_cost_amount
            + supplier_tax_amount as supplier_cost_amount
    from days
)

select
    family_name as design_family,           -- the aesthetic, or `untagged`
    order_date,                             -- shop's day
    currency_code,                          -- ISO 4217; the unit of every *_amount here
    order_count,                            -- orders with at least one such line
    line_count,
    unit_count,
    refunded_unit_count,
    cast(net_sales_amount as decimal(18, 4)) as net_sales_amount,
    cast(net_revenue_amount as decimal(18, 4)) as net_revenue_amount,
    cast(base_cost_amount as decimal(18, 4)) as base_cost_amount, -- negative, as all costs here
    cast(supplier_discount_amount as decimal(18, 4)) as supplier_discount_amount, -- positive
    cast(supplier_fee_amount as decimal(18, 4)) as supplier_fee_amount,
    cast(shipping_cost_amount as decimal(18, 4)) as shipping_cost_amount,
    cast(supplier_tax_amount as decimal(18, 4)) as supplier_tax_amount,
    cast(payment_fee_amount as decimal(18, 4)) as payment_fee_amount,
    cast(ad_spend_amount as decimal(18, 4)) as ad_spend_amount,
    cast(cm1_amount as decimal(18, 4)) as cm1_amount, -- net revenue less product cost
    cast(cm2_amount as decimal(18, 4)) as cm2_amount, -- before ads
    cast(cm3_amount as decimal(18, 4)) as cm3_amount, -- after ads
    case
        when supplier_cost_amount = 0
        then cast(1 as decimal(18, 8))
        else cast(
            cast(supplier_cost_amount - estimated_cost_amount as decimal(18, 4))
            / cast(supplier_cost_amount as decimal(18, 4)) as decimal(18, 8)
        )
    end as cost_completeness_rate,          -- invoiced part of the supplier's cost
    unconverted_component_count             -- ledger rows in another currency, not added
from costs
