-- Always one row: the zone in which the shop's days begin, UTC until the shop is known.
--
-- Kept apart so that a cross join with it can neither drop nor repeat a row.
--
--! kind     = "view"
--! not_null = ["time_zone"]
select
    coalesce(min(time_zone), 'UTC') as time_zone -- IANA name
from stg_shopify__shops
