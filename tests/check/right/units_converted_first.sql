-- One row per ad_id and spend_date.
--
--! kind = "full"
--! key  = ["ad_id", "spend_date"]
select
    ad_id,
    spend_date,
    currency_code,
    cast(spend_micros / 1000000 as decimal(18, 4)) as spend_amount,
    minor_to_amount(spend_micros, currency_code) as other_amount
from stg_meta__ad_days
