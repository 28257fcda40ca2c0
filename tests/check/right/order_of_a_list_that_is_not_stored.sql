-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
with

lists as (
    select
        order_id,
        array_agg(order_line_id) as order_line_ids
    from stg_shopify__order_lines
    group by order_id
)

select
    order_id,
    array_length(order_line_ids) as line_count
from lists
