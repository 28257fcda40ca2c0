-- One row per customer record of the shop, with the consent that Shopify holds.
--
-- Personal data: `email`, `first_name`, `last_name`.
--
--! kind       = "merge"
--! key        = ["customer_id"]
--! changed_by = ["customer_id"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.customers
    group by id
),

versions as (
    select
        id,
        _extracted_at,
        nullif(lower(trim("defaultEmailAddress"['emailAddress'])), '') as email,
        "defaultEmailAddress"['marketingState'] as email_marketing_status,
        "defaultEmailAddress"['marketingOptInLevel'] as email_opt_in_level,
        "defaultEmailAddress"['marketingUpdatedAt'] as email_marketing_updated_at,
        "firstName" as first_name,
        "lastName" as last_name,
        locale,
        coalesce("verifiedEmail", false) as is_email_verified,
        "createdAt" as created_at,
        "updatedAt" as updated_at
    from raw.shopify.customers
)

select
    split_part(versions.id, '/', -1) as customer_id, -- numeric id, as text
    versions.email,                         -- lower case; null when the record has none
    versions.email_marketing_status,        -- SUBSCRIBED, UNSUBSCRIBED, NOT_SUBSCRIBED, PENDING, ..
    versions.email_opt_in_level,            -- SINGLE_OPT_IN, CONFIRMED_OPT_IN, UNKNOWN
    versions.first_name,
    versions.last_name,
    versions.locale,
    versions.is_email_verified,
    versions.email_marketing_updated_at,    -- UTC
    versions.created_at,                    -- UTC
    versions.updated_at,                    -- UTC
    versions._extracted_at as extracted_at  -- UTC
from versions
inner join newest
    on versions.id = newest.id
    and cast(versions._extracted_at as bigint) = newest.newest_version
