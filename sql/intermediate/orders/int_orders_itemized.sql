-- One row per order that has lines: the orders to which supplier costs, fees and ads can belong.
--
-- An order without any line has nothing to hang a cost on; what names it stays unattributed.
--
--! kind       = "merge"
--! key        = ["order_id"]
--! changed_by = ["order_id"]
--! not_null   = ["currency_code", "line_count"]
select
    order_id,
    currency_code,                          -- ISO 4217
    order_date,                             -- shop's day
    count(*) as line_count
from int_order_lines_priced
group by order_id, currency_code, order_date
