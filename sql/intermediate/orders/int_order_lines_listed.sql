-- One row per order: its lines and their weights as two lists of one order, ready for `allocate`.
--
-- Gathered once for all documents that are split over an order. A view: the places in the lists
-- depend on chance, and `allocate` does not look at them.
--
--! kind     = "view"
--! key      = ["order_id"]
--! not_null = ["order_line_ids", "line_weights"]
select
    order_id,
    currency_code,                          -- ISO 4217; unit of the weights
    order_date,                             -- shop's day
    array_agg(order_line_id) as order_line_ids,
    array_agg(weight_amount) as line_weights -- same places as the ids
from int_order_lines_priced
group by order_id, currency_code, order_date
