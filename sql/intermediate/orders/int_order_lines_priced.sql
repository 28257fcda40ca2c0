-- One row per line of an order that counts, with the value by which order-level money is split.
--
-- `weight_amount` is gross less discounts as sold, before any refund: the base of every allocation,
-- so that a later refund does not move yesterday's costs from line to line.
--
--! kind       = "merge"
--! key        = ["order_line_id"]
--! changed_by = ["order_id"]
--! not_null   = ["order_id", "gross_amount", "discount_amount", "weight_amount", "order_date"]
with

lines as (
    select * from stg_shopify__order_lines
),

orders as (
    select * from int_orders_dated
),

discounts as (
    select
        order_id,
        order_line_id,
        sum(discount_amount) as discount_amount
    from stg_shopify__order_line_discounts
    group by order_id, order_line_id
)

select
    lines.order_line_id,
    lines.order_id,
    orders.customer_id,                     -- null for a guest checkout
    lines.product_id,
    lines.variant_id,
    lines.sku,
    lines.quantity,                         -- as sold
    lines.is_gift_card,                     -- a liability: carries no revenue
    lines.gross_amount,                     -- price x quantity
    cast(coalesce(discounts.discount_amount, 0) as decimal(18, 4)) as discount_amount, -- positive
    cast(lines.gross_amount - coalesce(discounts.discount_amount, 0) as decimal(18, 4))
        as weight_amount,                   -- the allocation weight
    orders.currency_code,                   -- ISO 4217; the unit of every *_amount here
    orders.shipping_country_code,
    orders.is_cancelled,
    orders.order_date,                      -- shop's day
    orders.ordered_at                       -- UTC
from lines
inner join orders on lines.order_id = orders.order_id
left join discounts
    on lines.order_id = discounts.order_id
    and lines.order_line_id = discounts.order_line_id
