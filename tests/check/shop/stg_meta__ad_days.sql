-- One row per ad and day.
--
--! kind = "view"
--! key  = ["ad_id", "spend_date"]
select
    ad_id,
    day as spend_date,
    spend_micros,
    clicks as click_count,
    conversion_rate,
    currency as currency_code
from raw.meta.ad_days
