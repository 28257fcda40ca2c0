-- One row per line of an order, newest version of the order, in the shop's currency.
--
-- Lines that an edit removed are here with `current_quantity` 0: the supplier may have made them.
-- A bulk file that was not asked for `originalTotalSet` still has the unit price, which is the same
-- money: Shopify's total before discounts is price times quantity.
--
--! kind       = "merge"
--! key        = ["order_line_id"]
--! changed_by = ["order_id"]
--! not_null   = ["order_id", "quantity", "gross_amount", "currency_code"]
--! checks     = ["quantity >= 0", "gross_amount >= 0"]
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
        "currencyCode" as order_currency_code,
        unnest("lineItems") as line
    from raw.shopify.orders
),

-- Flat before the join, so that the join carries no nested column.
lines as (
    select
        id,
        _extracted_at,
        split_part(line['id'], '/', -1) as order_line_id,
        split_part(line['product']['id'], '/', -1) as product_id,
        split_part(line['variant']['id'], '/', -1) as variant_id,
        line['sku'] as sku,
        line['title'] as line_title,
        line['vendor'] as vendor_name,
        coalesce(line['quantity'], 0) as quantity,
        coalesce(line['currentQuantity'], line['quantity'], 0) as current_quantity,
        coalesce(line['isGiftCard'], false) as is_gift_card,
        coalesce(line['requiresShipping'], true) as is_shipped,
        line['originalUnitPriceSet']['shopMoney']['amount'] as unit_price_amount,
        coalesce(
            line['originalTotalSet']['shopMoney']['amount'],
            cast(
                line['originalUnitPriceSet']['shopMoney']['amount'] * line['quantity']
                as decimal(18, 4)
            )
        ) as gross_amount,
        coalesce(line['originalTotalSet']['shopMoney']['currencyCode'], order_currency_code)
            as currency_code
    from exploded
)

select
    lines.order_line_id,                    -- numeric id, as text
    split_part(lines.id, '/', -1) as order_id,
    lines.product_id,                       -- null when the product was deleted
    lines.variant_id,                       -- null when the variant was deleted
    lines.sku,
    lines.line_title,
    lines.vendor_name,
    lines.quantity,                         -- as sold
    lines.current_quantity,                 -- after edits and refunds
    lines.is_gift_card,                     -- a liability, not revenue
    lines.is_shipped,                       -- a thing that travels
    lines.unit_price_amount,
    lines.gross_amount,                     -- price x quantity, before discounts and tax
    lines.currency_code,                    -- ISO 4217; the unit of every *_amount here
    lines._extracted_at as extracted_at     -- UTC
from lines
inner join newest
    on lines.id = newest.id
    and cast(lines._extracted_at as bigint) = newest.newest_version
