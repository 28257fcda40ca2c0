-- One row per order.
--
--! kind = "full"
--! key  = ["order_id"]
select order_id
from int_loop
--? as int_loop.sql
--? E006 6:6
