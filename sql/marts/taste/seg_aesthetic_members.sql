-- One row per customer who clearly belongs to one aesthetic.
--
-- Clearly: the favourite family holds at least half of the customer's aged weight, and the
-- customer bought at least two units in it. One purchase is not yet a taste.
--
--! kind       = "merge"
--! key        = ["customer_id"]
--! changed_by = ["customer_id"]
--! not_null   = ["design_family"]
--! checks     = ["affinity_share_rate >= 0.5", "unit_count >= 2"]
select
    customer_id,
    design_family,                          -- the aesthetic the customer belongs to
    affinity_share_rate,                    -- at least 0.5
    unit_count,                             -- at least 2
    last_order_date                         -- shop's day of the last order in the family
from fct_customer_family_affinity
where affinity_rank = 1 and affinity_share_rate >= 0.5 and unit_count >= 2
