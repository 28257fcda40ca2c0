-- One row per ad_id.
--
--! kind = "full"
--! key  = ["ad_id"]
select
    ads.ad_id,
    sum(ads.click_count) as click_count
from stg_meta__ad_days as ads
inner join stg_fx__rates as rates on ads.currency_code = rates.currency_code
group by ads.ad_id
--? E040 7:5
