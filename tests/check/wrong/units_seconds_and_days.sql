-- One row per sku and valid_from_date.
--
--! kind = "full"
--! key  = ["sku", "valid_from_date"]
select
    sku,
    valid_from_date,
    lead_seconds + lead_days as lead_count
from stg_printify__prices
--? E041 8:5
