-- One row per customer of the shop, with consent and what the orders say.
--
-- A customer is Shopify's record, not yet a person: one person may have several. Cancelled orders
-- are counted apart; dates and `order_count` leave them out. Personal data: `email`.
--
--! kind       = "merge"
--! key        = ["customer_id"]
--! changed_by = ["customer_id"]
--! not_null   = ["is_subscribed", "order_count"]
--! checks     = ["first_order_date is null or first_order_date <= last_order_date"]
with

customers as (
    select * from stg_shopify__customers
),

orders as (
    select
        customer_id,
        count(*) filter (where not is_cancelled) as order_count,
        count(*) filter (where is_cancelled) as cancelled_order_count,
        min(order_date) filter (where not is_cancelled) as first_order_date,
        max(order_date) filter (where not is_cancelled) as last_order_date,
        max(ordered_at) filter (where not is_cancelled) as last_ordered_at
    from int_orders_dated
    where customer_id is not null
    group by customer_id
)

select
    customers.customer_id,
    customers.email,                        -- lower case; null when the record has none
    customers.email_marketing_status,       -- Shopify's word, e.g. SUBSCRIBED
    coalesce(customers.email_marketing_status = 'SUBSCRIBED', false) as is_subscribed,
    customers.locale,
    coalesce(orders.order_count, 0) as order_count, -- not cancelled
    coalesce(orders.cancelled_order_count, 0) as cancelled_order_count,
    orders.first_order_date,                -- shop's day; null without an order
    orders.last_order_date,                 -- shop's day; null without an order
    orders.last_ordered_at,                 -- UTC
    customers.created_at                    -- UTC
from customers
left join orders on customers.customer_id = orders.customer_id
