-- One row per profile.
--
--! kind        = "view"
--! key         = ["customer_id"]
--! destination = "klaviyo"
select customer_id from dim_customers
--? as sql/exports/klaviyo_customers.sql
--? E003 3:20
