-- One row per ad and day, in the ad account's currency and the account's own days.
--
-- Raw holds one record per account and day with all its ads: a day that Meta restates replaces
-- the day, and an ad that vanished from it vanishes here.
--
--! kind     = "full"
--! key      = ["ad_account_id", "ad_id", "spend_date"]
--! not_null = ["spend_amount", "currency_code"]
with

newest as (
    select
        account_id,
        date_start,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.meta.insights_daily
    group by account_id, date_start
),

exploded as (
    select
        account_id,
        date_start,
        _extracted_at,
        unnest(data) as ad
    from raw.meta.insights_daily
),

flat as (
    select
        account_id,
        date_start,
        _extracted_at,
        ad['campaign_id'] as campaign_id,
        ad['campaign_name'] as campaign_name,
        ad['adset_id'] as ad_set_id,
        ad['adset_name'] as ad_set_name,
        ad['ad_id'] as ad_id,
        ad['ad_name'] as ad_name,
        upper(coalesce(ad['account_currency'], 'USD')) as currency_code,
        coalesce(ad['impressions'], 0) as impression_count,
        coalesce(ad['clicks'], 0) as click_count,
        coalesce(ad['inline_link_clicks'], 0) as link_click_count,
        coalesce(ad['spend'], 0) as spend_amount
    from exploded
)

select
    flat.ad_id,
    flat.date_start as spend_date,          -- day of the ad account's zone
    replace(flat.account_id, 'act_', '') as ad_account_id, -- the number without `act_`
    flat.campaign_id,
    flat.campaign_name,
    flat.ad_set_id,
    flat.ad_set_name,
    flat.ad_name,
    flat.impression_count,
    flat.click_count,
    flat.link_click_count,
    cast(flat.spend_amount as decimal(18, 4)) as spend_amount,
    flat.currency_code,                     -- ISO 4217
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.account_id = newest.account_id
    and flat.date_start = newest.date_start
    and cast(flat._extracted_at as bigint) = newest.newest_version
