-- One row per ad account, with the zone in which its days begin.
--
--! kind     = "view"
--! key      = ["ad_account_id"]
--! not_null = ["time_zone"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.meta.ad_accounts
    group by id
)

select
    replace(accounts.id, 'act_', '') as ad_account_id, -- the number without `act_`
    accounts.name as ad_account_name,
    upper(accounts.currency) as currency_code, -- ISO 4217
    coalesce(accounts.timezone_name, 'UTC') as time_zone, -- IANA name
    accounts._extracted_at as extracted_at  -- UTC
from raw.meta.ad_accounts as accounts
inner join newest
    on accounts.id = newest.id
    and cast(accounts._extracted_at as bigint) = newest.newest_version
