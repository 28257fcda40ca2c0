-- One row per ad_id and spend_date.
--
--! kind = "full"
--! key  = ["ad_id", "spend_date"]
select
    ad_id,
    spend_date,
    cast(spend_micros as decimal(18, 4)) as spend_amount
from stg_meta__ad_days
--? E041 8:10
