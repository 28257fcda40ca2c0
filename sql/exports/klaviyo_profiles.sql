-- One row per e-mail address that may be written to, with the buyer's taste as profile properties.
--
-- Only subscribed addresses; should two customer records share one, the one that ordered last
-- speaks for it. Shares are rounded to two digits, so that a change nobody would act on is not
-- sent.
-- Every column but `email` and `email_marketing_status` becomes a property under its own name.
-- Personal data: `email`.
--
--! kind        = "merge"
--! key         = ["email"]
--! changed_by  = ["email"]
--! not_null    = ["customer_id", "email_marketing_status"]
--! checks      = ["email_marketing_status = 'SUBSCRIBED'"]
--! destination = "klaviyo"
--! object      = "profile"
with

customers as (
    select * from dim_customers
    where is_subscribed and email is not null
),

-- Few addresses are shared, but the destination takes each one once.
ranked_customers as (
    select
        *,
        row_number() over (
            partition by email
            order by last_ordered_at desc nulls last, customer_id
        ) as place
    from customers
),

favourites as (
    select * from fct_customer_family_affinity
    where affinity_rank = 1
),

runners_up as (
    select * from fct_customer_family_affinity
    where affinity_rank = 2
),

members as (
    select * from seg_aesthetic_members
)

select
    ranked_customers.email,
    ranked_customers.customer_id,           -- Shopify's record that speaks for the address
    ranked_customers.email_marketing_status, -- the consent: SUBSCRIBED
    favourites.design_family as favourite_family, -- null until a labelled design was bought
    cast(round(favourites.affinity_share_rate, 2) as decimal(18, 4)) as favourite_family_share,
    runners_up.design_family as runner_up_family, -- null when there is one family only
    cast(round(runners_up.affinity_share_rate, 2) as decimal(18, 4)) as runner_up_family_share,
    members.design_family as aesthetic_segment, -- set when the taste is clear, see seg_aesthetic_members
    ranked_customers.order_count as orders_count, -- not cancelled
    ranked_customers.last_order_date        -- shop's day; null without an order
from ranked_customers
left join favourites on ranked_customers.customer_id = favourites.customer_id
left join runners_up on ranked_customers.customer_id = runners_up.customer_id
left join members on ranked_customers.customer_id = members.customer_id
where ranked_customers.place = 1
