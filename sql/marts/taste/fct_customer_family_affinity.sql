-- One row per customer and design family: how much of the customer's taste the family holds.
--
-- Each line counts its units, halved for every 240 days that it lies before the customer's own last
-- order. Measuring from there and not from today keeps a score still until the customer buys again,
-- so that nothing is sent out because a night has passed. Each line's weight is rounded to eight
-- digits before it is added: the sum does not depend on the order of the rows.
-- Left out: guests, lines without a family, gift cards, cancelled orders, lines wholly refunded.
--
--! kind       = "merge"
--! key        = ["customer_id", "design_family"]
--! changed_by = ["customer_id"]
--! not_null   = ["affinity_weight", "affinity_share_rate", "affinity_rank"]
--! checks     = ["affinity_weight > 0", "affinity_share_rate <= 1", "affinity_rank >= 1"]
with

lines as (
    select
        customer_id,
        design_family,
        quantity,
        order_id,
        order_date
    from fct_order_lines
    where
        customer_id is not null
        and design_family is not null
        and quantity > 0
        and not is_gift_card
        and not is_cancelled
        and not is_fully_refunded
),

last_orders as (
    select
        customer_id,
        max(order_date) as last_order_date
    from lines
    group by customer_id
),

weighed_lines as (
    select
        lines.customer_id,
        lines.design_family,
        lines.quantity,
        lines.order_date,
        cast(
            cast(lines.quantity as double) * power(
                cast(2 as double),
                cast(lines.order_date - last_orders.last_order_date as double) / cast(240 as double)
            ) as decimal(18, 8)
        ) as line_weight
    from lines
    inner join last_orders on lines.customer_id = last_orders.customer_id
),

families as (
    select
        customer_id,
        design_family,
        sum(line_weight) as affinity_weight,
        sum(quantity) as unit_count,
        max(order_date) as last_order_date
    from weighed_lines
    where line_weight > 0
    group by customer_id, design_family
),

totals as (
    select
        customer_id,
        sum(line_weight) as total_weight
    from weighed_lines
    group by customer_id
)

select
    families.customer_id,
    families.design_family,                 -- the aesthetic
    cast(families.affinity_weight as decimal(18, 8)) as affinity_weight, -- units, aged
    cast(
        cast(families.affinity_weight as decimal(18, 8))
        / cast(totals.total_weight as decimal(18, 8)) as decimal(18, 8)
    ) as affinity_share_rate,               -- of all the customer's weight
    cast(
        row_number() over (
            partition by families.customer_id
            order by families.affinity_weight desc, families.design_family asc
        ) as bigint
    ) as affinity_rank,                     -- 1 is the favourite; ties by name
    families.unit_count,                    -- units bought, not aged
    families.last_order_date                -- shop's day of the last order in the family
from families
inner join totals on families.customer_id = totals.customer_id
