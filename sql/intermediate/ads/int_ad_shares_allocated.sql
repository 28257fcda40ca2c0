-- One row per ad, day and order that it brought: the order's equal share of the day's spend.
--
-- Split over the orders first and over their lines later, which keeps an order's cents together;
-- the shares of a day add up to its spend exactly. An ad-day without orders has no row here.
--
--! kind       = "merge"
--! key        = ["ad_account_id", "ad_id", "spend_date", "order_id"]
--! changed_by = ["ad_account_id", "ad_id", "spend_date"]
--! not_null   = ["share_amount", "currency_code"]
with

shares as (
    select
        ad_account_id,
        ad_id,
        spend_date,
        currency_code,
        unnest(
            allocate(
                spend_amount,
                currency_code,
                order_ids,
                array_repeat(cast(1 as decimal(18, 4)), order_count)
            )
        ) as share
    from int_ad_days_matched
    where order_count > 0
)

select
    ad_account_id,
    ad_id,
    spend_date,                             -- the ad account's day
    share['key'] as order_id,
    share['amount'] as share_amount,        -- of what the day cost
    currency_code                           -- ISO 4217
from shares
