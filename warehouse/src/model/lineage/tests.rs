//! What comes from what, by hand for every kind of node, and as a law over our own models.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::*;
use crate::model::ModelSource;

pub(super) fn raw() -> BTreeMap<String, SchemaRef> {
    let money = DataType::Decimal128(18, 4);
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let amount =
        Fields::from(vec![Field::new("amount", money.clone(), true), text("currencyCode")]);
    let set = Fields::from(vec![Field::new("shopMoney", DataType::Struct(amount), true)]);
    let line = Fields::from(vec![text("sku"), Field::new("quantity", DataType::Int64, true)]);
    let element = Field::new("element", DataType::Struct(line), true);
    let orders = Schema::new(vec![
        text("id"),
        text("currency"),
        text("parent"),
        Field::new("total", money, true),
        Field::new("count", DataType::Int64, true),
        Field::new("totalPriceSet", DataType::Struct(set), true),
        Field::new("lines", DataType::List(Arc::new(element)), true),
    ]);
    let shops = Schema::new(vec![text("id"), text("zone")]);
    BTreeMap::from([
        ("raw.shop.orders".to_owned(), Arc::new(orders) as SchemaRef),
        ("raw.shop.shops".to_owned(), Arc::new(shops) as SchemaRef),
    ])
}

pub(super) fn project(models: &[(&str, &str)]) -> Project {
    let sources = models.iter().map(|(name, sql)| ModelSource {
        path: format!("{name}.sql"),
        text: format!("-- One row per thing.\n--! kind = 'full'\n{sql}\n"),
    });
    Project::load(sources.collect()).unwrap()
}

fn lineage(models: &[(&str, &str)]) -> Lineage {
    let project = project(models);
    let planned = project.lineage(&raw()).unwrap();
    let found = project.check(&raw()).unwrap();
    assert!(planned.unplanned().is_empty(), "{found:#?}");
    planned
}

fn shown(edges: &Edges) -> Vec<String> {
    let text = |edge: &Edge| {
        let source = edge.source.to_string();
        format!("{} {}", edge.class, source.trim_start_matches("raw.shop."))
    };
    edges.iter().map(text).collect()
}

/// The edges of every column of one model over `raw.shop.orders` and `raw.shop.shops`, and of its
/// rows, which are called `*`.
fn of(sql: &str) -> BTreeMap<String, Vec<String>> {
    let lineage = lineage(&[("stg_a", sql)]);
    let table = lineage.table("stg_a").unwrap();
    let columns = table.columns.iter().map(|column| (column.name.clone(), shown(&column.edges)));
    columns.chain([("*".to_owned(), shown(&table.rows))]).collect()
}

#[test]
fn a_renamed_column_is_a_copy_through_ctes_and_aliases() {
    let found = of("with a as (select id as x, total from raw.shop.orders), \
                    b as (select a.x as y, a.total from a) \
                    select o.y as order_id, o.total as total_amount, 1 as one from b as o");
    assert_eq!(found["order_id"], ["copy orders.id"]);
    assert_eq!(found["total_amount"], ["copy orders.total"]);
    assert!(found["one"].is_empty() && found["*"].is_empty(), "{found:?}");
}

#[test]
fn a_scalar_expression_is_a_transform_of_all_that_is_in_it() {
    let found = of("select cast(total as decimal(18, 8)) as a, id || '/' || currency as b, \
                    coalesce(currency, parent) as c, -count + 1 as d, id is null as e, \
                    minor_to_amount(count, currency) as f, id in ('1', parent) as g \
                    from raw.shop.orders");
    assert_eq!(found["a"], ["transform orders.total"]);
    assert_eq!(found["b"], ["transform orders.currency", "transform orders.id"]);
    assert_eq!(found["c"], ["transform orders.currency", "transform orders.parent"]);
    assert_eq!(found["d"], ["transform orders.count"]);
    assert_eq!(found["e"], ["transform orders.id"]);
    assert_eq!(found["f"], ["transform orders.count", "transform orders.currency"]);
    assert_eq!(found["g"], ["transform orders.id", "transform orders.parent"]);
}

#[test]
fn what_a_case_chooses_by_is_a_condition() {
    let found = of("select case when count > 1 then id else parent end as a, \
                    case currency when 'EUR' then 1 else 0 end as b from raw.shop.orders");
    let a = ["transform orders.id", "transform orders.parent", "condition orders.count"];
    let mut expected = a.to_vec();
    expected.sort_unstable();
    let mut given = found["a"].clone();
    given.sort();
    assert_eq!(given, expected);
    assert_eq!(found["b"], ["condition orders.currency"]);
}

#[test]
fn a_field_of_a_struct_keeps_the_way_to_it() {
    let found = of("with a as (select \"totalPriceSet\" as price from raw.shop.orders), \
                    b as (select price['shopMoney'] as money from a) \
                    select money['amount'] as amount, \
                    cast(money['amount'] as decimal(18, 8)) as wide from b");
    assert_eq!(found["amount"], ["copy orders.totalPriceSet.shopMoney.amount"]);
    assert_eq!(found["wide"], ["transform orders.totalPriceSet.shopMoney.amount"]);
}

#[test]
fn unnested_lists_and_structs_keep_it_too_and_decide_about_rows() {
    let found = of("with a as (select id, unnest(lines) as line from raw.shop.orders) \
                    select id, line['sku'] as sku from a");
    assert_eq!(found["sku"], ["copy orders.lines[].sku"]);
    assert_eq!(found["id"], ["copy orders.id"]);
    assert_eq!(found["*"], ["filter orders.lines"]);
    let found = of("select unnest(\"totalPriceSet\"['shopMoney']) from raw.shop.orders");
    let all: Vec<&String> = found.values().flatten().collect();
    assert!(
        all.iter().any(|edge| *edge == "copy orders.totalPriceSet.shopMoney.amount"),
        "{all:?}"
    );
}

#[test]
fn aggregates_gather_and_group_keys_decide() {
    let found = of("select currency, sum(total) as a, count(*) as b, \
                    sum(total) filter (where count > 1) as c, array_agg(id order by parent) as d, \
                    cast(sum(total) + max(count) as decimal(18, 4)) as e \
                    from raw.shop.orders group by currency having min(parent) > 'x'");
    assert_eq!(found["currency"], ["copy orders.currency"]);
    assert_eq!(found["a"], ["aggregate orders.total"]);
    assert_eq!(found["b"], ["aggregate orders (rows)"]);
    assert_eq!(found["c"], ["condition orders.count", "aggregate orders.total"]);
    assert_eq!(found["d"], ["aggregate orders.id", "sort orders.parent"]);
    assert_eq!(found["e"], ["aggregate orders.count", "aggregate orders.total"]);
    assert_eq!(found["*"], ["group key orders.currency", "filter orders.parent"]);
}

#[test]
fn grouping_sets_name_all_their_keys() {
    let found = of("select currency, parent, grouping(currency) as level, sum(count) as n \
                    from raw.shop.orders group by grouping sets ((currency, parent), (currency))");
    assert_eq!(found["n"], ["aggregate orders.count"]);
    assert_eq!(found["parent"], ["copy orders.parent"]);
    assert!(found["level"].contains(&"transform orders.currency".to_owned()), "{found:?}");
    assert_eq!(found["*"], ["group key orders.currency", "group key orders.parent"]);
}

#[test]
fn windows_name_what_they_run_over_and_qualify_filters() {
    let found = of("select id, sum(total) over (partition by currency order by count) as a, \
                    row_number() over (order by parent) as b from raw.shop.orders \
                    qualify row_number() over (partition by id order by count desc) = 1");
    assert_eq!(
        found["a"],
        ["window orders.count", "window orders.currency", "aggregate orders.total"]
    );
    assert_eq!(found["b"], ["aggregate orders (rows)", "window orders.parent"]);
    assert_eq!(found["*"], ["filter orders (rows)", "filter orders.count", "filter orders.id"]);
    assert_eq!(found["id"], ["copy orders.id"]);
}

#[test]
fn joins_name_their_keys_and_what_only_one_side_must_hold_is_a_filter() {
    let found = of("select o.id, s.zone from raw.shop.orders as o \
                    left join raw.shop.shops as s on o.parent = s.id and s.zone <> ''");
    assert_eq!(found["zone"], ["copy shops.zone"]);
    assert_eq!(found["*"], ["join key orders.parent", "join key shops.id", "filter shops.zone"]);
    let found = of("select id, zone from raw.shop.orders inner join raw.shop.shops using (id)");
    assert_eq!(found["*"], ["join key orders.id", "join key shops.id"]);
    let found = of("select o.id from raw.shop.orders as o cross join raw.shop.shops as s");
    assert_eq!(found["*"], ["join key orders (rows)", "join key shops (rows)"]);
}

#[test]
fn subqueries_in_conditions_filter() {
    let filters = ["filter orders.id", "filter orders.parent", "filter shops.id"];
    let found = of("select id from raw.shop.orders as o where exists (\
                    select 1 from raw.shop.shops as s where s.id = o.parent) and id <> ''");
    assert_eq!(
        found["*"],
        ["filter orders.id", "filter orders.parent", "filter shops (rows)", "filter shops.id"]
    );
    let found = of("select id from raw.shop.orders where id <> '' and parent not in (\
                    select id from raw.shop.shops)");
    assert_eq!(found["*"], filters);
    let found = of("select id from raw.shop.orders where parent = any (\
                    select id from raw.shop.shops where zone = 'x')");
    assert!(found["*"].contains(&"filter shops.zone".to_owned()), "{found:?}");
}

#[test]
fn a_scalar_subquery_brings_its_own_rows_decisions_to_its_column_alone() {
    let found = of("select id, (select max(s.zone) from raw.shop.shops as s \
                    where s.id = o.parent) as zone from raw.shop.orders as o");
    assert_eq!(found["zone"], ["filter orders.parent", "filter shops.id", "aggregate shops.zone"]);
    assert!(found["*"].is_empty() && found["id"] == ["copy orders.id"], "{found:?}");
}

#[test]
fn a_lateral_subquery_sees_its_left() {
    let found = of("select o.id, s.zone from raw.shop.orders as o cross join lateral (\
                    select zone from raw.shop.shops where shops.id = o.parent) as s");
    assert_eq!(found["zone"], ["copy shops.zone"]);
    assert!(found["*"].contains(&"filter orders.parent".to_owned()), "{found:?}");
}

#[test]
fn every_branch_of_a_union_counts_and_sets_decide_by_all_columns() {
    let found = of("select id as a from raw.shop.orders union all \
                    select upper(zone) from raw.shop.shops union all select 'x'");
    assert_eq!(found["a"], ["copy orders.id", "transform shops.zone"]);
    let found = of("select id from raw.shop.orders union select id from raw.shop.shops");
    assert_eq!(found["*"], ["group key orders.id", "group key shops.id"]);
    let found = of("select id from raw.shop.orders except select id from raw.shop.shops");
    assert!(found["*"].contains(&"filter shops.id".to_owned()), "{found:?}");
    assert_eq!(found["id"], ["copy orders.id"]);
}

#[test]
fn an_order_matters_more_under_a_limit() {
    let found = of("select id from raw.shop.orders order by count");
    assert_eq!(found["*"], ["sort orders.count"]);
    let found = of("select id from raw.shop.orders order by count limit 3");
    assert_eq!(found["*"], ["filter orders.count"]);
    let found = of("select distinct on (parent) id from raw.shop.orders order by parent, count");
    assert!(found["*"].contains(&"group key orders.parent".to_owned()), "{found:?}");
    assert!(found["*"].contains(&"filter orders.count".to_owned()), "{found:?}");
}

#[test]
fn a_recursion_is_followed_to_its_end() {
    let found = of("with recursive chain as (\
                    select id, parent, currency as x from raw.shop.orders where parent is null \
                    union all \
                    select o.id, o.parent, chain.x || o.currency from raw.shop.orders as o \
                    inner join chain on o.parent = chain.id) \
                    select id, x from chain");
    assert_eq!(found["id"], ["copy orders.id"]);
    assert_eq!(found["x"], ["copy orders.currency", "transform orders.currency"]);
    assert_eq!(
        found["*"],
        ["join key orders.id", "filter orders.parent", "join key orders.parent"]
    );
}

#[test]
fn values_and_table_functions_come_from_nowhere() {
    let found = of("select column1 as a from (values ('x'), ('y'))");
    assert!(found["a"].is_empty());
    let found = of("select value as n from generate_series(1, 3)");
    assert!(found["n"].is_empty() && found["*"].is_empty(), "{found:?}");
}

#[test]
fn a_table_of_versions_holds_by_the_column_that_says_when() {
    let header = "kind = 'scd2'\n--! key = ['id']\n--! updated_at = 'changed_at'";
    let sql = "select id, zone, cast(zone as timestamptz) as changed_at from raw.shop.shops";
    let text = format!("-- One row per thing.\n--! {header}\n{sql}\n");
    let source = ModelSource { path: "dim_a.sql".to_owned(), text };
    let lineage = Project::load(vec![source]).unwrap().lineage(&raw()).unwrap();
    let table = lineage.table("dim_a").unwrap();
    let found = |name: &str| shown(&table.column(name).unwrap().edges);
    assert_eq!(found("valid_from_at"), ["transform shops.zone"]);
    assert_eq!(found("valid_to_at"), ["window shops.zone"]);
    assert_eq!(found("is_current"), ["window shops.zone"]);
}

fn chain() -> Lineage {
    lineage(&[
        (
            "stg_o",
            "select id as order_id, total as total_amount, currency as currency_code, \
                   \"totalPriceSet\" as price_set from raw.shop.orders where parent is null",
        ),
        ("int_o", "select order_id, total_amount, price_set from stg_o"),
        (
            "fct_o",
            "select order_id, cast(sum(total_amount) as decimal(18, 4)) as total_amount, \
                   max(price_set['shopMoney']['amount']) as max_amount \
                   from int_o group by order_id",
        ),
    ])
}

fn links(walk: &Walk) -> Vec<String> {
    let classes = |link: &Link| link.classes.keys().map(ToString::to_string).collect::<Vec<_>>();
    walk.links.iter().map(|l| format!("{} > {}: {}", l.from, l.to, classes(l).join(" "))).collect()
}

#[test]
fn a_walk_follows_columns_and_the_way_into_them() {
    let lineage = chain();
    let node = lineage.find("fct_o.max_amount").unwrap();
    assert_eq!(
        links(&lineage.walk(&node, &[Direction::Up], None)),
        [
            "int_o.price_set.shopMoney.amount > fct_o.max_amount: aggregate",
            "raw.shop.orders.totalPriceSet.shopMoney.amount > stg_o.price_set.shopMoney.amount: copy",
            "stg_o.price_set.shopMoney.amount > int_o.price_set.shopMoney.amount: copy",
        ]
    );
    let node = lineage.find("raw.shop.orders.totalPriceSet.shopMoney.amount").unwrap();
    let down = lineage.walk(&node, &[Direction::Down], None);
    assert_eq!(down.nodes.len(), 4, "{:?}", links(&down));
    assert!(lineage.walk(&node, &[Direction::Down], Some(1)).nodes.len() == 2);
    let node = lineage.find("raw.shop.orders.totalPriceSet.shopMoney.currencyCode").unwrap();
    let down = lineage.walk(&node, &[Direction::Down], None);
    assert!(!links(&down).iter().any(|link| link.contains("fct_o")), "{:?}", links(&down));
    let node = lineage.find("raw.shop.orders.parent").unwrap();
    let down = lineage.walk(&node, &[Direction::Down], None);
    assert_eq!(links(&down), ["raw.shop.orders.parent > stg_o (rows): filter"]);
}

#[test]
fn a_walk_over_tables_counts_columns_by_class() {
    let lineage = chain();
    let walk =
        lineage.walk(&lineage.find("int_o").unwrap(), &[Direction::Up, Direction::Down], None);
    let names: Vec<_> = walk.nodes.iter().map(|(node, away)| format!("{node} {away}")).collect();
    assert_eq!(names, ["fct_o 1", "int_o 0", "raw.shop.orders -2", "stg_o -1"]);
    let last = walk.links.iter().find(|link| link.to == Node::Table("fct_o".to_owned())).unwrap();
    let expected = [(Class::Copy, 1), (Class::Aggregate, 2), (Class::GroupKey, 1)];
    assert_eq!(last.classes, BTreeMap::from(expected));
}

#[test]
fn what_nobody_has_is_answered_with_the_nearest() {
    let lineage = chain();
    let error = |text: &str| {
        let error = lineage.find(text).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default())
    };
    let (text, hint) = error("fct_p");
    assert_eq!((&*text, &*hint), ("no model is called `fct_p`", "did you mean `fct_o`?"));
    let (text, hint) = error("fct_o.order_idd");
    assert_eq!(text, "`fct_o` has no column `order_idd`");
    assert_eq!(hint, "did you mean `order_id`?");
    let (text, hint) = error("raw.shop.orders.totl");
    assert_eq!(text, "`raw.shop.orders` has no column `totl`");
    assert_eq!(hint, "did you mean `total`?");
    assert!(lineage.find("raw.shop.orders.total.x").is_err());
    assert!(lineage.find("raw.shop.orders.lines[].sku").is_ok());
    assert!(lineage.find("raw.shop").is_err() && lineage.find("").is_err());
}
