-- One row per order line.
--
--! kind = "view"
--! key  = ["order_line_id"]
select
    id as order_line_id,
    order_id,
    sku,
    quantity,
    price as gross_amount,
    currency as currency_code
from raw.shopify.order_lines
