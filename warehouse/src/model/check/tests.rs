//! What the check finds, and where it says that it stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::model::{Finding, ModelSource, Project};

fn raw() -> BTreeMap<String, SchemaRef> {
    let money = DataType::Decimal128(18, 4);
    let orders = Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("currencyCode", DataType::Utf8, true),
        Field::new("total", money, true),
        Field::new("count", DataType::Int64, true),
        Field::new("ratio", DataType::Float64, true),
    ]);
    BTreeMap::from([("raw.shop.orders".to_owned(), Arc::new(orders) as SchemaRef)])
}

/// Models as (path, header lines without `--!`, SQL); the SQL begins on line 2 + header lines.
fn check(models: &[(&str, &str, &str)]) -> Vec<Finding> {
    let sources = models.iter().map(|(path, header, sql)| {
        let header: Vec<String> = header.lines().map(|line| format!("--! {line}")).collect();
        let text = format!("-- One row per thing.\n{}\n{sql}\n", header.join("\n"));
        ModelSource { path: (*path).to_owned(), text }
    });
    Project::load(sources.collect()).unwrap().check(&raw()).unwrap()
}

fn one(models: &[(&str, &str, &str)]) -> (String, Option<String>) {
    let found = check(models);
    assert_eq!(found.len(), 1, "{found:#?}");
    (found[0].to_string(), found[0].hint.clone())
}

const STG: (&str, &str, &str) = (
    "stg_shop__orders.sql",
    "kind = 'view'",
    "select id as order_id, \"currencyCode\" as currency_code, total as total_amount\nfrom raw.shop.orders",
);

#[test]
fn a_project_that_fits_has_no_findings() {
    let found = check(&[
        STG,
        (
            "int_orders_summed.sql",
            "kind = 'full'\nkey = ['currency_code']\nnot_null = ['total_amount']\nchecks = ['total_amount >= 0', \"currency_code <> ''\"]",
            "with orders as (\n    select * from stg_shop__orders\n)\n\nselect currency_code, cast(sum(total_amount) as decimal(18, 4)) as total_amount\nfrom orders\ngroup by currency_code",
        ),
    ]);
    assert_eq!(found, []);
}

#[test]
fn an_unknown_column_is_found_in_its_cte_and_the_near_one_is_offered() {
    let (text, hint) = one(&[
        STG,
        (
            "fct_a.sql",
            "kind = 'full'",
            "with orders as (\n    select * from stg_shop__orders\n)\n\nselect\n    orders.order_id,\n    orders.curency_code\nfrom orders",
        ),
    ]);
    assert_eq!(text, "fct_a.sql:9:5: `orders` has no column `curency_code` [E011]");
    assert_eq!(hint.as_deref(), Some("did you mean `currency_code`?"));
    let (text, hint) =
        one(&[STG, ("fct_a.sql", "kind = 'full'", "select ordr_id\nfrom stg_shop__orders")]);
    assert_eq!(text, "fct_a.sql:3:8: no column is called `ordr_id` [E011]");
    assert_eq!(hint.as_deref(), Some("did you mean `order_id`?"));
}

#[test]
fn an_unknown_table_is_found_and_what_reads_its_reader_is_not_blamed() {
    let (text, hint) = one(&[
        STG,
        ("int_a.sql", "kind = 'full'", "select *\nfrom stg_shop_orders"),
        ("fct_b.sql", "kind = 'full'", "select nonsense from int_a"),
    ]);
    assert_eq!(text, "int_a.sql:4:6: no model is called `stg_shop_orders` [E010]");
    assert_eq!(hint.as_deref(), Some("did you mean `stg_shop__orders`?"));
    let (text, hint) = one(&[("stg_a.sql", "kind = 'full'", "select id from raw.shop.order")]);
    assert_eq!(text, "stg_a.sql:3:16: no stream lands in `raw.shop.order` [E010]");
    assert_eq!(hint.as_deref(), Some("did you mean `raw.shop.orders`?"));
}

#[test]
fn an_unknown_function_is_found() {
    let (text, hint) = one(&[
        STG,
        ("fct_a.sql", "kind = 'full'", "select uper(order_id) as a from stg_shop__orders"),
    ]);
    assert!(text.starts_with("fct_a.sql:3:8: ") && text.ends_with("[E012]"), "{text}");
    assert_eq!(hint.as_deref(), Some("did you mean `upper`?"));
}

#[test]
fn layers_read_downward_only() {
    let found = check(&[
        STG,
        ("fct_a.sql", "kind = 'full'", "select order_id from stg_shop__orders"),
        ("dim_b.sql", "kind = 'full'", "select id as order_id from raw.shop.orders"),
        ("stg_c.sql", "kind = 'full'", "select order_id from stg_shop__orders"),
        (
            "int_d.sql",
            "kind = 'full'",
            "select dim_b.order_id from dim_b inner join fct_a on dim_b.order_id = fct_a.order_id",
        ),
        (
            "exports/klaviyo_e.sql",
            "kind = 'full'\ndestination = 'klaviyo'",
            "select int_d.order_id from int_d, fct_a",
        ),
    ]);
    let mut lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "dim_b.sql:3:28: `dim_b` must not read `raw.shop.orders` [E007]",
            "exports/klaviyo_e.sql:4:28: `klaviyo_e` must not read `int_d` [E007]",
            "int_d.sql:3:45: `int_d` must not read `fct_a` [E007]",
            "stg_c.sql:3:22: `stg_c` must not read `stg_shop__orders` [E007]",
        ]
    );
    assert_eq!(
        found[0].hint.as_deref(),
        Some("a mart reads staging and intermediate models, and marts")
    );
}

#[test]
fn money_is_a_decimal_of_four_digits_and_a_rate_of_eight() {
    let found = check(&[(
        "stg_a.sql",
        "kind = 'full'",
        "select\n    ratio * 2 as a_amount,\n    total * 2 as b_amount,\n    ratio as c_rate,\n    total as d_rate,\n    total * total as e,\n    total as f_amount\nfrom raw.shop.orders",
    )]);
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert_eq!(lines[0], "stg_a.sql:4:18: `a_amount` is double: money is never a float [E021]");
    assert!(lines[1].contains(":5:18: `b_amount` is decimal("), "{}", lines[1]);
    assert!(lines[1].ends_with("expected decimal(18, 4) [E022]"), "{}", lines[1]);
    assert!(lines[2].ends_with("`c_rate` is double: money is never a float [E021]"));
    assert!(lines[3].ends_with("`d_rate` is decimal(18, 4), expected decimal(18, 8) [E023]"));
    assert!(lines[4].ends_with("expected decimal(18, 4) or decimal(18, 8) [E024]"));
}

#[test]
fn the_header_names_columns_that_exist_and_conditions_that_hold_together() {
    let found = check(&[
        STG,
        (
            "fct_a.sql",
            "kind = 'full'\nkey = ['orderid']\nchecks = ['order_id', 'totl_amount > 0', 'total_amount > ']",
            "select * from stg_shop__orders",
        ),
    ]);
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert_eq!(
        lines[0],
        "fct_a.sql:3:13: `key` names `orderid`, which is no column of the model [E030]"
    );
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `order_id`?"));
    assert_eq!(
        lines[1],
        "fct_a.sql:4:16: the check `order_id` does not hold together: it is text, not true or false [E031]"
    );
    assert!(lines[2].contains("no column is called `totl_amount`"), "{}", lines[2]);
    assert!(lines[3].starts_with("fct_a.sql:4:47: "), "{}", lines[3]);
}

#[test]
fn a_column_named_twice_cannot_be_stored() {
    let (text, _) =
        one(&[("stg_a.sql", "kind = 'full'", "select id as a, total as A\nfrom raw.shop.orders")]);
    assert!(text.ends_with("[E013]") || text.ends_with("[E020]"), "{text}");
}

#[test]
fn a_join_on_timestamps_is_found_before_it_fails_at_night() {
    let (text, hint) = one(&[
        (
            "stg_a.sql",
            "kind = 'full'",
            "select id as order_id, _extracted_at as extracted_at from raw.shop.orders",
        ),
        (
            "fct_b.sql",
            "kind = 'full'",
            "select stg_a.order_id from stg_a\ninner join stg_a as other on stg_a.extracted_at = other.extracted_at",
        ),
    ]);
    assert!(text.starts_with("fct_b.sql:4:") && text.ends_with("[E014]"), "{text}");
    assert!(hint.unwrap().contains("bigint"));
}

#[test]
fn a_thousand_models_are_checked_in_a_moment() {
    let mut models = vec![(
        "stg_shop__orders.sql".to_owned(),
        "select id as order_id, \"currencyCode\" as currency_code, total as total_amount from raw.shop.orders".to_owned(),
    )];
    for n in 0..999 {
        models.push((
            format!("int_m{n}.sql"),
            "with orders as (select * from stg_shop__orders)\nselect orders.order_id, orders.currency_code, cast(sum(orders.total_amount) as decimal(18, 4)) as total_amount from orders left join orders as o on orders.order_id = o.order_id group by orders.order_id, orders.currency_code".to_owned(),
        ));
    }
    let sources = models.into_iter().map(|(path, sql)| ModelSource {
        path,
        text: format!("-- One row per thing.\n--! kind = 'full'\n--! key = ['order_id']\n{sql}"),
    });
    let start = std::time::Instant::now();
    let found = Project::load(sources.collect()).unwrap().check(&raw()).unwrap();
    assert_eq!(found, []);
    println!("{:?}", start.elapsed());
    // Half a second is the bar of a release build; this one is not optimised.
    assert!(start.elapsed().as_secs() < 30);
}
