-- One row per fulfillment of an order: which service sent it, and how far it came.
--
--! kind     = "view"
--! key      = ["order_fulfillment_id"]
--! not_null = ["order_id"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.shopify.orders
    group by id
),

exploded as (
    select
        id,
        _extracted_at,
        unnest(fulfillments) as fulfillment
    from raw.shopify.orders
),

flat as (
    select
        id,
        _extracted_at,
        split_part(fulfillment['id'], '/', -1) as order_fulfillment_id,
        fulfillment['status'] as fulfillment_status,
        fulfillment['displayStatus'] as fulfillment_display_status,
        fulfillment['service']['serviceName'] as service_name,
        fulfillment['createdAt'] as fulfilled_at,
        fulfillment['deliveredAt'] as delivered_at
    from exploded
)

select
    flat.order_fulfillment_id,              -- numeric id, as text
    split_part(flat.id, '/', -1) as order_id,
    flat.fulfillment_status,
    flat.fulfillment_display_status,
    flat.service_name,                      -- Printify, Printful, ..
    flat.fulfilled_at,                      -- UTC
    flat.delivered_at,                      -- UTC; null while under way
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
