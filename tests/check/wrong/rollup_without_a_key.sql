-- One row per day.
--
--! kind = "full"
select order_date, count(*) as order_count from stg_shopify__orders group by order_date
--? as agg_orders_daily.sql
--? E032 3:1
