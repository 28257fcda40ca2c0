-- One row per order line whose supplier has not sent its invoice yet, priced from the price lists.
--
-- A line needs an estimate when no supplier order is known for it, or only one whose costs are not
-- final. Cancelled orders and gift cards need none. Shipping follows Printify's rule: within one
-- order and print provider the unit with the dearest first item pays the first-item rate, every
-- other unit the additional rate; its line bears the difference. No supplier tax is guessed, and no
-- shipping of Printful. A line whose sku stands in no price list is here with null amounts.
--
--! kind       = "merge"
--! key        = ["order_line_id"]
--! changed_by = ["order_id"]
--! not_null   = ["order_id", "order_date"]
with

settled_lines as (
    select order_line_id
    from int_printify_lines_matched
    where is_settled and order_line_id is not null
    union
    select order_line_id
    from int_printful_items_matched
    where order_line_id is not null
),

lines as (
    select
        int_order_lines_priced.order_line_id,
        int_order_lines_priced.order_id,
        int_order_lines_priced.sku,
        int_order_lines_priced.quantity,
        int_order_lines_priced.currency_code as order_currency_code,
        int_order_lines_priced.shipping_country_code,
        int_order_lines_priced.order_date
    from int_order_lines_priced
    left join settled_lines on int_order_lines_priced.order_line_id = settled_lines.order_line_id
    where
        settled_lines.order_line_id is null
        and not int_order_lines_priced.is_cancelled
        and not int_order_lines_priced.is_gift_card
        and int_order_lines_priced.quantity > 0
),

prices as (
    select * from int_supplier_prices_listed
),

-- Of several profiles for one variant and country the dearer one: an estimate should not flatter.
rates as (
    select
        blueprint_id,
        print_provider_id,
        printify_variant_id,
        country_code,
        max(first_item_amount) as first_item_amount,
        max(additional_item_amount) as additional_item_amount
    from stg_printify__shipping_rates
    group by blueprint_id, print_provider_id, printify_variant_id, country_code
),

priced_lines as (
    select
        lines.order_line_id,
        lines.order_id,
        lines.quantity,
        lines.order_currency_code,
        lines.shipping_country_code,
        lines.order_date,
        prices.source_system,
        prices.price_id,
        prices.blueprint_id,
        prices.print_provider_id,
        prices.printify_variant_id,
        prices.unit_cost_amount,
        prices.currency_code
    from lines
    left join prices on lines.sku = prices.sku
),

rated_lines as (
    select
        priced_lines.*,
        coalesce(country_rates.first_item_amount, world_rates.first_item_amount)
            as first_item_amount,
        case
            when country_rates.first_item_amount is not null
            then country_rates.additional_item_amount
            else world_rates.additional_item_amount
        end as additional_item_amount
    from priced_lines
    left join rates as country_rates
        on priced_lines.blueprint_id = country_rates.blueprint_id
        and priced_lines.print_provider_id = country_rates.print_provider_id
        and priced_lines.printify_variant_id = country_rates.printify_variant_id
        and priced_lines.shipping_country_code = country_rates.country_code
    left join rates as world_rates
        on priced_lines.blueprint_id = world_rates.blueprint_id
        and priced_lines.print_provider_id = world_rates.print_provider_id
        and priced_lines.printify_variant_id = world_rates.printify_variant_id
        and world_rates.country_code = 'REST_OF_THE_WORLD'
),

-- Only lines without an invoice are ranked, so these partitions are few.
ranked_lines as (
    select
        *,
        row_number() over (
            partition by order_id, print_provider_id
            order by
                first_item_amount desc nulls last,
                character_length(order_line_id),
                order_line_id
        ) as place
    from rated_lines
)

select
    order_line_id,
    order_id,
    source_system,                          -- whose price list; null when none knows the sku
    price_id as source_document_id,         -- the line of that price list
    order_date,                             -- shop's day of the order
    cast(unit_cost_amount * quantity as decimal(18, 4)) as base_amount, -- null when the sku is unknown
    cast(
        case
            when place = 1 then first_item_amount + (quantity - 1) * additional_item_amount
            else quantity * additional_item_amount
        end as decimal(18, 4)
    ) as shipping_amount,                   -- null when no rate is known
    currency_code,                          -- ISO 4217; the unit of every *_amount here
    coalesce(currency_code = order_currency_code, false) as is_order_currency
from ranked_lines
