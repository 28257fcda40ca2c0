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
fn quotes_that_are_missing_or_wrong_are_named() {
    let staging = ("stg_b.sql", "kind = 'view'", "select currencyCode as a\nfrom raw.shop.orders");
    let (_, hint) = one(&[staging]);
    assert_eq!(hint.as_deref(), Some("put it in double quotes: `\"currencyCode\"`"));
    let sql = "select order_id from stg_shop__orders where currency_code = \"USD\"";
    let (text, hint) = one(&[STG, ("int_b.sql", "kind = 'full'\nkey = ['order_id']", sql)]);
    assert!(text.ends_with("no column is called `USD` [E011]"), "{text}");
    assert_eq!(hint.as_deref(), Some("text takes single quotes: `'USD'`"));
    let (_, hint) = one(&[("int_ab2.sql", "kind = 'full'", "select 1 as a from int_ab1")]);
    assert_eq!(hint, None, "not itself");
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
        ("fct_a.sql", "kind = 'full'\nkey = ['order_id']", "select order_id from stg_shop__orders"),
        (
            "dim_b.sql",
            "kind = 'full'\nkey = ['order_id']",
            "select id as order_id from raw.shop.orders",
        ),
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
            "dim_b.sql:4:28: `dim_b` must not read `raw.shop.orders` [E007]",
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
    assert_eq!(text, "stg_a.sql:3:26: two columns are called `a` [E020]");
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
            "int_b.sql",
            "kind = 'full'",
            "select stg_a.order_id from stg_a\ninner join stg_a as other on stg_a.extracted_at = other.extracted_at",
        ),
    ]);
    assert!(text.starts_with("int_b.sql:4:") && text.ends_with("[E014]"), "{text}");
    assert!(hint.unwrap().contains("bigint"));
}

/// Half projections with a filter, half joins grouped by twelve columns.
fn generated(count: usize) -> Vec<ModelSource> {
    let columns = "order_id, currency_code, total_amount, a, b, c, d, e, f, g, h, i";
    let staging = format!(
        "-- One row per order.\n--! kind = 'view'\n--! key = ['order_id']\nselect id as order_id, \"currencyCode\" as currency_code, total as total_amount, {} from raw.shop.orders",
        "abcdefghi".chars().map(|c| format!("id as {c}")).collect::<Vec<_>>().join(", ")
    );
    let mut models = vec![ModelSource { path: "stg_shop__orders.sql".to_owned(), text: staging }];
    for number in 1..count {
        // Every tenth reads the one ten before it, so that there are chains.
        let read = match number.checked_sub(10) {
            Some(before) if before % 10 == 1 => format!("int_m{before}"),
            _ => "stg_shop__orders".to_owned(),
        };
        let sql = if number % 2 == 0 {
            format!(
                "select\n    {columns}\nfrom {read}\nwhere total_amount > 10 and currency_code = 'USD'"
            )
        } else {
            let grouped: Vec<String> = columns
                .split(", ")
                .filter(|column| *column != "total_amount")
                .map(|column| format!("orders.{column}"))
                .collect();
            let grouped = grouped.join(", ");
            format!(
                "with\n\norders as (\n    select * from {read}\n)\n\nselect\n    {grouped},\n    cast(sum(orders.total_amount) as decimal(18, 4)) as total_amount\nfrom orders\nleft join stg_shop__orders as other on orders.order_id = other.order_id\ngroup by {grouped}"
            )
        };
        let text = format!(
            "-- One row per order.\n--\n--! kind = 'full'\n--! key = ['order_id']\n{sql}\n"
        );
        models.push(ModelSource { path: format!("int_m{number}.sql"), text });
    }
    models
}

#[test]
fn generated_models_have_no_findings() {
    let found = Project::load(generated(200)).unwrap().check(&raw()).unwrap();
    assert_eq!(found, []);
}

#[test]
#[ignore = "a measurement"]
fn check_of_many_models() {
    let count = std::env::args().find_map(|word| word.strip_prefix("models=")?.parse().ok());
    for count in count.map_or_else(|| vec![1_000, 10_000], |count| vec![count]) {
        let sources = generated(count);
        let begun = std::time::Instant::now();
        let project = Project::load(sources).unwrap();
        let loaded = begun.elapsed();
        let found = project.check(&raw()).unwrap();
        let peak = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
        println!(
            "{count} models: {} ms to load, {} ms in all, {} findings, {peak}",
            loaded.as_millis(),
            begun.elapsed().as_millis(),
            found.len()
        );
    }
}
