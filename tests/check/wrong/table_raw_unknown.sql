-- One row per order.
--
--! kind = "view"
select id
from raw.shopify.order
--? as stg_shopify__more.sql
--? E010 5:6
