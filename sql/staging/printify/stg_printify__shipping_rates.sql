-- One row per blueprint, print provider, variant and country: the first and each further item.
--
-- A profile covers many variants and many countries; `REST_OF_THE_WORLD` stands for every country
-- that no other profile names. A variant may stand in several profiles, hence the profile's number.
--
--! kind     = "full"
--! key      = [
--!     "blueprint_id", "print_provider_id", "profile_number",
--!     "printify_variant_id", "country_code",
--! ]
--! not_null = ["first_item_amount", "additional_item_amount", "currency_code"]
with

newest as (
    select
        blueprint_id,
        print_provider_id,
        cast(max(_extracted_at) as bigint) as newest_version
    from raw.printify.shipping_profiles
    group by blueprint_id, print_provider_id
),

profiles as (
    select
        blueprint_id,
        print_provider_id,
        _extracted_at,
        unnest(range(1, cast(array_length(profiles) as bigint) + 1)) as profile_number,
        unnest(profiles) as profile
    from raw.printify.shipping_profiles
    where array_length(profiles) > 0
),

variants as (
    select
        blueprint_id,
        print_provider_id,
        _extracted_at,
        profile_number,
        coalesce(profile['first_item']['cost'], 0) as first_item_minor,
        coalesce(profile['additional_items']['cost'], 0) as additional_item_minor,
        upper(coalesce(profile['first_item']['currency'], 'USD')) as currency_code,
        profile['countries'] as countries,
        unnest(profile['variant_ids']) as printify_variant_id
    from profiles
),

countries as (
    select
        blueprint_id,
        print_provider_id,
        _extracted_at,
        profile_number,
        first_item_minor,
        additional_item_minor,
        currency_code,
        printify_variant_id,
        unnest(countries) as country_code
    from variants
)

select
    countries.blueprint_id,
    countries.print_provider_id,
    countries.profile_number,               -- place in the provider's list, from 1
    countries.printify_variant_id,
    countries.country_code,                 -- ISO 3166 alpha-2, or REST_OF_THE_WORLD
    countries.currency_code,                -- ISO 4217; the unit of every *_amount here
    minor_to_amount(countries.first_item_minor, countries.currency_code) as first_item_amount,
    minor_to_amount(countries.additional_item_minor, countries.currency_code)
        as additional_item_amount,          -- each unit after the first of a parcel
    countries._extracted_at as extracted_at -- UTC
from countries
inner join newest
    on countries.blueprint_id = newest.blueprint_id
    and countries.print_provider_id = newest.print_provider_id
    and cast(countries._extracted_at as bigint) = newest.newest_version
