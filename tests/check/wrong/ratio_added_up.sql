-- One row per ad_id.
--
--! kind = "full"
--! key  = ["ad_id"]
select
    ad_id,
    cast(sum(conversion_rate) as decimal(18, 8)) as conversion_rate
from stg_meta__ad_days
group by ad_id
--? E044 7:10
