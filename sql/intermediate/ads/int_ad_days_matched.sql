-- One row per ad and day that cost money, with the orders that count as brought by it.
--
-- An order belongs to an ad when its last visit came from Facebook or Instagram with the ad's id in
-- `utm_content`, on the day of the purchase in the ad account's zone. Last touch, same day: what
-- Meta itself claims is not used.
--
--! kind     = "full"
--! key      = ["ad_account_id", "ad_id", "spend_date"]
--! not_null = ["spend_amount", "currency_code", "order_count"]
with

ad_days as (
    select * from stg_meta__ad_days
    where spend_amount <> 0
),

accounts as (
    select * from stg_meta__ad_accounts
),

ads as (
    select
        ad_id,
        ad_account_id
    from stg_meta__ad_days
    group by ad_id, ad_account_id
),

ad_zones as (
    select
        ads.ad_id,
        ads.ad_account_id,
        coalesce(accounts.time_zone, 'UTC') as time_zone
    from ads
    left join accounts on ads.ad_account_id = accounts.ad_account_id
),

-- Only a journey that names an ad; the test order's journey drops out with its order.
visits as (
    select
        order_id,
        last_utm_content as ad_id,
        ordered_at
    from stg_shopify__order_journeys
    where lower(last_utm_source) in ('facebook', 'instagram') and last_utm_content is not null
),

orders as (
    select * from int_orders_itemized
),

orders_per_ad_day as (
    select
        ad_zones.ad_account_id,
        ad_zones.ad_id,
        local_date(visits.ordered_at, ad_zones.time_zone) as spend_date,
        array_sort(array_agg(visits.order_id)) as order_ids,
        count(*) as order_count
    from visits
    inner join ad_zones on visits.ad_id = ad_zones.ad_id
    inner join orders on visits.order_id = orders.order_id
    group by
        ad_zones.ad_account_id,
        ad_zones.ad_id,
        local_date(visits.ordered_at, ad_zones.time_zone)
)

select
    ad_days.ad_account_id,
    ad_days.ad_id,
    ad_days.spend_date,                     -- the ad account's day
    ad_days.campaign_id,
    ad_days.spend_amount,
    ad_days.currency_code,                  -- ISO 4217
    orders_per_ad_day.order_ids,            -- null when no order came
    coalesce(orders_per_ad_day.order_count, 0) as order_count
from ad_days
left join orders_per_ad_day
    on ad_days.ad_account_id = orders_per_ad_day.ad_account_id
    and ad_days.ad_id = orders_per_ad_day.ad_id
    and ad_days.spend_date = orders_per_ad_day.spend_date
