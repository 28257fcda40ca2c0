-- One row per parcel that Printful sent.
--
-- A reshipment replaces an earlier parcel and brings no revenue.
--
--! kind     = "view"
--! key      = ["printful_shipment_id"]
--! not_null = ["printful_order_id"]
with

newest as (
    select
        id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printful.orders
    group by id
),

exploded as (
    select
        id,
        _extracted_at,
        unnest(shipments) as shipment
    from raw.printful.orders
),

flat as (
    select
        id,
        _extracted_at,
        shipment['id'] as printful_shipment_id,
        shipment['carrier'] as carrier_name,
        shipment['service'] as service_name,
        coalesce(shipment['reshipment'], false) as is_reshipment,
        shipment['created'] as created_at,
        shipment['shipped_at'] as shipped_at
    from exploded
)

select
    flat.printful_shipment_id,
    flat.id as printful_order_id,
    flat.carrier_name,
    flat.service_name,
    flat.is_reshipment,
    flat.created_at,                        -- UTC
    flat.shipped_at,                        -- UTC
    flat._extracted_at as extracted_at      -- UTC
from flat
inner join newest
    on flat.id = newest.id
    and cast(flat._extracted_at as bigint) = newest.newest_version
