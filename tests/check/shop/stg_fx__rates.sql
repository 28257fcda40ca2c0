-- One row per currency and day: what one unit of it is worth in dollars.
--
--! kind = "view"
--! key  = ["currency_code", "rate_date"]
select
    currency as currency_code,
    day as rate_date,
    rate as exchange_rate
from raw.fx.rates
