-- One row per order with a known journey: the first and the last visit before the purchase.
--
-- Shopify fills a journey some time after the order; `is_ready` says whether it has.
--
--! kind = "view"
--! key  = ["order_id"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.orders
    group by id
),

versions as (
    select
        id,
        _extracted_at,
        coalesce("customerJourneySummary"['ready'], false) as is_ready,
        "customerJourneySummary"['customerOrderIndex'] as customer_order_index,
        "customerJourneySummary"['daysToConversion'] as days_to_conversion,
        "customerJourneySummary"['momentsCount']['count'] as moment_count,
        "customerJourneySummary"['firstVisit']['occurredAt'] as first_visited_at,
        "customerJourneySummary"['firstVisit']['source'] as first_visit_source_name,
        "customerJourneySummary"['firstVisit']['utmParameters']['source'] as first_utm_source,
        "customerJourneySummary"['firstVisit']['utmParameters']['medium'] as first_utm_medium,
        "customerJourneySummary"['firstVisit']['utmParameters']['campaign'] as first_utm_campaign,
        "customerJourneySummary"['firstVisit']['utmParameters']['content'] as first_utm_content,
        "customerJourneySummary"['lastVisit']['occurredAt'] as last_visited_at,
        "customerJourneySummary"['lastVisit']['source'] as last_visit_source_name,
        "customerJourneySummary"['lastVisit']['utmParameters']['source'] as last_utm_source,
        "customerJourneySummary"['lastVisit']['utmParameters']['medium'] as last_utm_medium,
        "customerJourneySummary"['lastVisit']['utmParameters']['campaign'] as last_utm_campaign,
        "customerJourneySummary"['lastVisit']['utmParameters']['content'] as last_utm_content,
        coalesce("processedAt", "createdAt") as ordered_at
    from raw.shopify.orders
    where "customerJourneySummary" is not null
)

select
    split_part(versions.id, '/', -1) as order_id,
    versions.is_ready,
    versions.customer_order_index,          -- 1 for the customer's first order
    versions.days_to_conversion,
    versions.moment_count,                  -- visits and marketing events before the order
    versions.first_visit_source_name,
    versions.first_utm_source,
    versions.first_utm_medium,
    versions.first_utm_campaign,
    versions.first_utm_content,
    versions.last_visit_source_name,
    versions.last_utm_source,
    versions.last_utm_medium,
    versions.last_utm_campaign,
    versions.last_utm_content,              -- the ad's id when the ad platform put it there
    versions.first_visited_at,              -- UTC
    versions.last_visited_at,               -- UTC
    versions.ordered_at,                    -- UTC
    versions._extracted_at as extracted_at  -- UTC
from versions
inner join newest
    on versions.id = newest.id
    and cast(versions._extracted_at as bigint) = newest.newest_version
