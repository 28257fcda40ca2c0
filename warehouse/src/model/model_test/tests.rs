//! Tests of the tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::*;
use crate::model::ModelSource;

fn raw() -> BTreeMap<String, SchemaRef> {
    let item = DataType::Struct(
        vec![
            Field::new("sku", DataType::Utf8, true),
            Field::new("price", DataType::Decimal128(18, 4), true),
        ]
        .into(),
    );
    let at = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("createdAt", at, true),
        Field::new("items", DataType::List(Arc::new(Field::new_list_field(item, true))), true),
    ]);
    BTreeMap::from([("raw.shop.orders".to_owned(), Arc::new(schema) as SchemaRef)])
}

fn project() -> Project {
    let model = |path: &str, header: &str, sql: &str| ModelSource {
        path: path.to_owned(),
        text: format!("-- One row per thing.\n--! {header}\n{sql}\n"),
    };
    Project::load(vec![
        model(
            "stg_items.sql",
            "kind = 'view'",
            "with lines as (select id, \"createdAt\" as created_at, unnest(items) as item from raw.shop.orders) select id as order_id, created_at, item['sku'] as sku, item['price'] as price_amount from lines",
        ),
        model(
            "fct_orders.sql",
            "kind = 'full'\n--! key = ['order_id']",
            "select order_id, max(sku) as sku, cast(sum(price_amount) as decimal(18, 4)) as price_amount, count(*) as line_count, local_date(max(created_at), 'America/New_York') as order_date from stg_items group by order_id",
        ),
    ])
    .unwrap()
}

async fn report(text: &str) -> TestReport {
    run("t.md", text, &project(), &raw()).await.unwrap()
}

const RAW: &str = "# Orders add up\n\ngiven `raw.shop.orders`:\n| id | createdAt | items |\n| --- | --- | --- |\n| 1 | 2026-03-01T03:00:00Z | [{\"sku\": \"A\", \"price\": \"10.00\"}, {\"sku\": \"B|C\", \"price\": 2.5}] |\n| 2 | | [{\"sku\": \"\"}] |\n\n";

#[tokio::test]
async fn everything_between_given_and_expected_is_computed() {
    let text = RAW.replace("B|C", "B\\|C")
        + "expect `fct_orders`:\n| order_id | sku | price_amount | line_count | order_date |\n| --- | --- | --- | --- | --- |\n| 2 | \"\" | | 1 | |\n| 1 | B\\|C | 12.5 | 2 | 2026-02-28 |\n\nexpect `raw.shop.orders`:\n| id |\n| --- |\n| 1 |\n| 2 |\n";
    let report = report(&text).await;
    assert_eq!(report.title, "Orders add up");
    assert_eq!(report.cases.len(), 1);
    assert_eq!(report.cases[0].failure, None);
}

const TWO: &str = "# Two cases\n\n## case: right\n\ngiven `stg_items`:\n| order_id | price_amount |\n| --- | --- |\n| 1 | 3 |\n\nexpect `fct_orders`:\n| order_id | price_amount |\n| --- | --- |\n| 1 | 3.00 |\n\n## case: wrong\n\ngiven `stg_items`:\n| order_id | sku | price_amount |\n| --- | --- | --- |\n| 1 | A | 3 |\n| 2 | B | 4 |\n| 2 | | 0.125 |\n\nexpect `fct_orders`:\n| order_id | price_amount | sku |\n| --- | --- | --- |\n| 3 | 1 | |\n| 2 | 4 | B |\n| 1 | 3 | A |\n\nAfterword.\n";

#[tokio::test]
async fn a_difference_shows_both_rows_side_by_side() {
    let report = report(TWO).await;
    assert!(!report.passed());
    assert_eq!(report.cases[0].failure, None);
    assert_eq!((report.cases[1].name.as_str(), report.cases[1].line), ("wrong", 15));
    assert_eq!(
        report.cases[1].failure.as_deref().unwrap(),
        "line 24: `fct_orders` differs: 1 rows as expected; `-` is missing, `+` is there instead\n  | order_id | price_amount | sku |\n- | 2        | 4.00         | B   |\n+ | 2        | 4.125        | B   |\n- | 3        | 1.00         |     |"
    );
}

#[tokio::test]
async fn complete_writes_what_the_models_yield_and_touches_nothing_else() {
    let text = complete("t.md", TWO, &project(), &raw()).await.unwrap();
    let expected = TWO.replace(
        "| 3 | 1 | |\n| 2 | 4 | B |\n| 1 | 3 | A |\n",
        "| 1 | 3.00 | A |\n| 2 | 4.125 | B |\n",
    );
    assert_eq!(text, expected);
    assert!(report(&text).await.passed());
}

#[tokio::test]
async fn the_order_counts_when_it_is_said_to() {
    let of = |ordered: &str| {
        format!(
            "# T\n\ngiven `stg_items`:\n| order_id |\n| --- |\n| 1 |\n| 2 |\n\nexpect `stg_items`{ordered}:\n| order_id |\n| --- |\n| 2 |\n| 1 |\n"
        )
    };
    assert!(report(&of("")).await.passed());
    assert!(!report(&of(" ordered")).await.passed());
}

#[tokio::test]
async fn a_broken_check_on_the_way_fails_the_case() {
    let text = "# T\n\ngiven `stg_items`:\n| order_id |\n| --- |\n| |\n\nexpect `fct_orders`:\n| order_id |\n| --- |\n";
    let failure = report(text).await.cases[0].failure.clone().unwrap();
    assert!(
        failure.contains("`fct_orders` breaks its check `not_null(order_id)` in 1 of 1 rows"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_file_that_does_not_read_says_where() {
    for (text, expected) in [
        (
            "# T\n\nexpect `fct_ordres`:\n| a |\n| --- |\n",
            "t.md:3: there is no table `fct_ordres`; did you mean `fct_orders`?",
        ),
        (
            "# T\n\nexpect `fct_orders`:\n| order |\n| --- |\n",
            "t.md:3: `fct_orders` has no column `order`",
        ),
        (
            "# T\n\nexpect `fct_orders`:\n| order_id | sku |\n| --- | --- |\n| 1 |\n",
            "t.md:6: 1 cells under 2 columns",
        ),
        (
            "# T\n\nexpect `fct_orders`:\n| order_id | line_count |\n| --- | --- |\n| 1 | x |\n",
            "t.md:6: column `line_count`: ",
        ),
        (
            "# T\n\nexpect `fct_orders`:\n| order_id | price_amount |\n| --- | --- |\n| 1 | 1.00001 |\n",
            "t.md:6: column `price_amount`: more than 4 decimals",
        ),
        (
            "# T\n\n## case: a\n\ngiven `fct_orders`:\n| order_id |\n| --- |\n",
            "t.md:3: case `a` expects nothing",
        ),
    ] {
        let error = run("t.md", text, &project(), &raw()).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn a_sum_over_nothing_is_a_row_and_a_group_of_nothing_is_none() {
    let sources = [
        ("int_sum.sql", "select count(*) as row_count from stg_a"),
        ("int_groups.sql", "select id, count(*) as row_count from stg_a group by id"),
        ("int_one.sql", "select count(*) as row_count from int_groups union all select 7"),
        ("stg_a.sql", "select id from raw.shop.orders"),
    ];
    let sources = sources.map(|(path, sql)| ModelSource {
        path: path.to_owned(),
        text: format!("-- One row per thing.\n--! kind = 'full'\n{sql}\n"),
    });
    let project = Project::load(sources.to_vec()).unwrap();
    let text = "# T\n\nexpect `int_sum`:\n| row_count |\n| --- |\n| 0 |\n\nexpect `int_groups`:\n| id |\n| --- |\n\nexpect `int_one`:\n| row_count |\n| --- |\n| 0 |\n| 7 |\n";
    let report = run("t.md", text, &project, &raw()).await.unwrap();
    assert_eq!(report.cases[0].failure, None);
}
