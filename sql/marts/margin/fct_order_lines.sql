-- One row per order line: each component of its ledger added up, and the three margins.
--
-- Amounts are signed effects on the margin (costs negative) in the order's currency, so
-- `cm1_amount` is a plain sum of its parts. Cancelled orders stay, flagged: their revenue is taken
-- back by their refund, and what the supplier had already made stays a cost. Ledger rows in
-- another currency are counted in `unconverted_component_count`, not added.
--
--! kind       = "merge"
--! key        = ["order_line_id"]
--! changed_by = ["order_id"]
--! not_null   = [
--!     "order_id", "order_date", "currency_code",
--!     "cm1_amount", "cm2_amount", "cm3_amount", "cost_completeness_rate",
--! ]
--! checks     = [
--!     "net_sales_amount = product_revenue_amount + discount_amount + refund_amount",
--!     "net_revenue_amount = net_sales_amount + shipping_revenue_amount + shipping_refund_amount + order_adjustment_amount",
--!     "cm1_amount = net_revenue_amount + base_cost_amount + supplier_discount_amount + supplier_fee_amount",
--!     "cm2_amount = cm1_amount + shipping_cost_amount + supplier_tax_amount + payment_fee_amount",
--!     "cm3_amount = cm2_amount + ad_spend_amount",
--!     "cost_completeness_rate <= 1",
--!     { accepted = "cost_basis", values = ["actual", "estimate"] },
--!     { references = "dim_designs.design_id", severity = "warn" },
--!     { steady = "rows", severity = "warn" },
--! ]
with

lines as (
    select * from int_order_lines_priced
),

products as (
    select * from dim_products
),

refunds as (
    select * from int_order_line_refunds_summed
),

estimates as (
    select
        order_id,
        order_line_id,
        source_document_id is null as has_unknown_cost
    from int_order_lines_estimated
),

-- An amount in another currency counts as no amount, and is counted apart.
ledger as (
    select
        order_id,
        order_line_id,
        component,
        basis,
        is_order_currency,
        case when is_order_currency then margin_amount end as margin_amount
    from fct_order_line_costs
),

-- `case` and not `filter`: fourteen filters over the ledger take a third longer.
sums as (
    select
        order_id,
        order_line_id,
        sum(case when component = 'product_revenue' then margin_amount end)
            as product_revenue_amount,
        sum(case when component = 'discount' then margin_amount end) as discount_amount,
        sum(case when component = 'refund' then margin_amount end) as refund_amount,
        sum(case when component = 'shipping_revenue' then margin_amount end)
            as shipping_revenue_amount,
        sum(case when component = 'shipping_refund' then margin_amount end)
            as shipping_refund_amount,
        sum(case when component = 'order_adjustment' then margin_amount end)
            as order_adjustment_amount,
        sum(case when component = 'base_cost' then margin_amount end) as base_cost_amount,
        sum(case when component = 'supplier_discount' then margin_amount end)
            as supplier_discount_amount,
        sum(case when component = 'supplier_fee' then margin_amount end) as supplier_fee_amount,
        sum(case when component = 'shipping_cost' then margin_amount end) as shipping_cost_amount,
        sum(case when component = 'supplier_tax' then margin_amount end) as supplier_tax_amount,
        sum(case when component = 'payment_fee' then margin_amount end) as payment_fee_amount,
        sum(case when component = 'ad_spend' then margin_amount end) as ad_spend_amount,
        sum(case when basis = 'estimate' then margin_amount end) as estimated_cost_amount,
        count(case when not is_order_currency then 1 end) as unconverted_component_count
    from ledger
    group by order_id, order_line_id
),

-- What is known of a line beside its money, while the rows are still narrow.
described_lines as (
    select
        lines.order_line_id,
        lines.order_id,
        lines.customer_id,
        lines.product_id,
        lines.variant_id,
        lines.sku,
        products.design_id,
        products.design_family,
        lines.quantity,
        coalesce(refunds.refunded_quantity, 0) as refunded_quantity,
        lines.currency_code,
        lines.is_cancelled,
        lines.is_gift_card,
        coalesce(estimates.has_unknown_cost, false) as has_unknown_cost,
        lines.order_date,
        lines.ordered_at
    from lines
    left join products on lines.product_id = products.product_id
    left join refunds
        on lines.order_id = refunds.order_id
        and lines.order_line_id = refunds.order_line_id
    left join estimates
        on lines.order_id = estimates.order_id
        and lines.order_line_id = estimates.order_line_id
),

-- Every sum a number, and back at the ledger's scale.
summed_lines as (
    select
        described_lines.*,
        cast(coalesce(sums.product_revenue_amount, 0) as decimal(18, 4)) as product_revenue_amount,
        cast(coalesce(sums.discount_amount, 0) as decimal(18, 4)) as discount_amount,
        cast(coalesce(sums.refund_amount, 0) as decimal(18, 4)) as refund_amount,
        cast(coalesce(sums.shipping_revenue_amount, 0) as decimal(18, 4)) as shipping_revenue_amount,
        cast(coalesce(sums.shipping_refund_amount, 0) as decimal(18, 4)) as shipping_refund_amount,
        cast(coalesce(sums.order_adjustment_amount, 0) as decimal(18, 4)) as order_adjustment_amount,
        cast(coalesce(sums.base_cost_amount, 0) as decimal(18, 4)) as base_cost_amount,
        cast(coalesce(sums.supplier_discount_amount, 0) as decimal(18, 4)) as supplier_discount_amount,
        cast(coalesce(sums.supplier_fee_amount, 0) as decimal(18, 4)) as supplier_fee_amount,
        cast(coalesce(sums.shipping_cost_amount, 0) as decimal(18, 4)) as shipping_cost_amount,
        cast(coalesce(sums.supplier_tax_amount, 0) as decimal(18, 4)) as supplier_tax_amount,
        cast(coalesce(sums.payment_fee_amount, 0) as decimal(18, 4)) as payment_fee_amount,
        cast(coalesce(sums.ad_spend_amount, 0) as decimal(18, 4)) as ad_spend_amount,
        cast(coalesce(sums.estimated_cost_amount, 0) as decimal(18, 4)) as estimated_cost_amount,
        coalesce(sums.unconverted_component_count, 0) as unconverted_component_count
    from described_lines
    left join sums
        on described_lines.order_id = sums.order_id
        and described_lines.order_line_id = sums.order_line_id
),

margins as (
    select
        *,
        product_revenue_amount + discount_amount + refund_amount as net_sales_amount,
        shipping_revenue_amount + shipping_refund_amount + order_adjustment_amount
            as net_shipping_amount,
        base_cost_amount + supplier_discount_amount + supplier_fee_amount as product_cost_amount,
        shipping_cost_amount + supplier_tax_amount as delivery_cost_amount
    from summed_lines
)

select
    order_line_id,
    order_id,
    customer_id,                            -- null for a guest checkout
    product_id,
    variant_id,
    sku,
    design_id,                              -- null when the product is unknown
    design_family,                          -- the aesthetic; null: untagged
    quantity,                               -- as sold
    refunded_quantity,                      -- units given back
    currency_code,                          -- ISO 4217; the unit of every *_amount here
    product_revenue_amount,                 -- price x quantity
    discount_amount,                        -- negative
    refund_amount,                          -- negative
    cast(net_sales_amount as decimal(18, 4)) as net_sales_amount, -- the three above; no tax, no shipping
    shipping_revenue_amount,                -- the line's part of the shipping charged
    shipping_refund_amount,                 -- negative
    order_adjustment_amount,                -- negative when extra was given back
    cast(net_sales_amount + net_shipping_amount as decimal(18, 4)) as net_revenue_amount,
    base_cost_amount,                       -- negative: blank and print
    supplier_discount_amount,               -- positive
    supplier_fee_amount,                    -- negative
    cast(
        net_sales_amount + net_shipping_amount + product_cost_amount as decimal(18, 4)
    ) as cm1_amount,                        -- net revenue less product cost
    shipping_cost_amount,                   -- negative: what the supplier charges for it
    supplier_tax_amount,                    -- negative: tax and VAT on the supplier's bill
    payment_fee_amount,                     -- negative
    cast(
        net_sales_amount + net_shipping_amount + product_cost_amount + delivery_cost_amount
        + payment_fee_amount as decimal(18, 4)
    ) as cm2_amount,                        -- before ads
    ad_spend_amount,                        -- negative: last touch, same day
    cast(
        net_sales_amount + net_shipping_amount + product_cost_amount + delivery_cost_amount
        + payment_fee_amount + ad_spend_amount as decimal(18, 4)
    ) as cm3_amount,                        -- after ads
    estimated_cost_amount,                  -- the part that awaits an invoice
    case
        when product_cost_amount + delivery_cost_amount = 0
        then cast(1 as decimal(18, 8))
        else cast(
            cast(
                product_cost_amount + delivery_cost_amount - estimated_cost_amount
                as decimal(18, 4)
            ) / cast(product_cost_amount + delivery_cost_amount as decimal(18, 4))
            as decimal(18, 8)
        )
    end as cost_completeness_rate,          -- invoiced part of the supplier's cost, 1 when there is none
    case when estimated_cost_amount <> 0 then 'estimate' else 'actual' end as cost_basis,
    unconverted_component_count,            -- ledger rows in another currency
    is_cancelled,
    is_gift_card,
    refunded_quantity > 0 and refunded_quantity >= quantity as is_fully_refunded,
    has_unknown_cost,                       -- no invoice, and no price list knows the sku
    order_date,                             -- shop's day
    ordered_at                              -- UTC
from margins
