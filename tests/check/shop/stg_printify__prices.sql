-- One row per sku and the day from which its price holds.
--
--! kind = "view"
--! key  = ["sku", "valid_from_date"]
select
    sku,
    day as valid_from_date,
    until_day as valid_to_date,
    price as unit_cost_amount,
    lead_seconds,
    lead_days
from raw.printify.prices
