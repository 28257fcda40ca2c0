//! Tests of the tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::*;
use crate::Result;
use crate::model::{ModelSource, Project};

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

async fn run(text: &str, project: &Project) -> Result<TestReport> {
    let file = TestFile::parse("t.md", text)?;
    Bench::new(project, &raw(), [&file])?.run(&file).await
}

async fn report(text: &str) -> TestReport {
    run(text, &project()).await.unwrap()
}

async fn complete(text: &str) -> Completed {
    let file = TestFile::parse("t.md", text).unwrap();
    Bench::new(&project(), &raw(), [&file]).unwrap().complete(&file).await.unwrap()
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
async fn the_line_under_a_header_may_be_as_editors_write_it() {
    for rule in ["|---|---|", "|:--|--:|", "| - | :-: |"] {
        let text = TWO.replace("| --- | --- |", rule);
        assert_ne!(text, TWO);
        assert_eq!(report(&text).await.cases[0].failure, None, "{rule}");
    }
}

#[tokio::test]
async fn a_difference_shows_both_rows_side_by_side() {
    let report = report(TWO).await;
    assert!(!report.passed());
    assert_eq!(report.cases[0].failure, None);
    assert_eq!((report.cases[1].name.as_str(), report.cases[1].line), ("wrong", 15));
    assert_eq!(
        report.cases[1].failure.as_deref().unwrap(),
        "line 24: `fct_orders` differs: 1 row as expected; `-` is missing, `+` is there instead\n  | order_id | price_amount | sku |\n- | 2        | 4.00         | B   |\n+ | 2        | 4.125        | B   |\n- | 3        | 1.00         |     |"
    );
}

#[tokio::test]
async fn complete_writes_what_the_models_yield_and_touches_nothing_else() {
    let text = complete(TWO).await.text.unwrap();
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
            "# T\n\nexpect `stg_items.line`:\n| id |\n| --- |\n",
            "t.md:3: `stg_items.line`: there is no CTE `line`; did you mean `lines`?",
        ),
        (
            "# T\n\nexpect `stg_items.lines`:\n| item_id |\n| --- |\n",
            "t.md:3: `stg_items.lines` has no column `item_id`",
        ),
        (
            "# T\n\ngiven `stg_items.lines`:\n| id |\n| --- |\n",
            "t.md:3: `stg_items.lines` is within `stg_items`, which is computed; give what it reads",
        ),
        (
            "# T\n\nat `noon`\n\nexpect `stg_items`:\n| order_id |\n| --- |\n",
            "t.md:3: `at `noon`` is no time",
        ),
        (
            "# T\n\nexpect `stg_items`:\n| order_id |\n| --- |\n\nexpect `stg_items`:\n| order_id |\n| --- |\n",
            "t.md:7: `stg_items` is expected twice in one case",
        ),
        (
            "# T\n\n- expect `stg_items`:\n| order_id |\n| --- |\n",
            "t.md:3: a table is headed by a line that begins with given or expect",
        ),
        (
            "# T\n\nexpects: `stg_items`\n\nexpect `stg_items`:\n| order_id |\n| --- |\n",
            "t.md:3: a table is headed by a line that begins with given or expect",
        ),
        (
            "# T\n\nexpect `stg_items`:\n| order_id | order_id |\n| --- | --- |\n",
            "t.md:3: `stg_items` has two columns `order_id`",
        ),
        (
            "# T\n\nexpect `stg_items`:\n| order_id |\n| 1 |\n",
            "t.md:3: `stg_items` has no line under its header",
        ),
        (
            "# T\n\n## case: a\n\ngiven `fct_orders`:\n| order_id |\n| --- |\n",
            "t.md:3: case `a` expects nothing",
        ),
    ] {
        let error = run(text, &project()).await.unwrap_err().to_string();
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
    let report = run(text, &project).await.unwrap();
    assert_eq!(report.cases[0].failure, None);
}

/// A project of one model and `stg_a`, which it may read.
fn with_model(name: &str, header: &str, sql: &str) -> Project {
    let source = |name: &str, header: &str, sql: &str| ModelSource {
        path: format!("{name}.sql"),
        text: format!("-- One row per thing.\n--! {header}\n{sql}\n"),
    };
    Project::load(vec![
        source(
            "stg_a",
            "kind = 'full'",
            "select id, \"createdAt\" as created_at from raw.shop.orders",
        ),
        source(name, header, sql),
    ])
    .unwrap()
}

const STEPS: &str = "with counted as (with ids as (select id from stg_a where id <> 'x') select id, count(*) as row_count, sum(cast(2.5 as decimal(18, 4))) as sum_amount from ids group by id) select id, row_count + 1 as row_count from counted order by id limit 1";

#[tokio::test]
async fn a_step_of_a_model_can_be_expected_and_one_within_a_step() {
    let project = with_model("int_b", "kind = 'full'", STEPS);
    let given = "# T\n\ngiven `stg_a`:\n| id |\n| --- |\n| a |\n| a |\n| b |\n| x |\n\n";
    let counted = "expect `int_b.counted`:\n| id | row_count | sum_amount |\n| --- | --- | --- |\n| a | 2 | 5.00 |\n| b | 1 | 2.50 |\n\n";
    let ids = "expect `int_b.counted.ids` ordered:\n| id |\n| --- |\n| a |\n| a |\n| b |\n\n";
    let end = "expect `int_b`:\n| id | row_count |\n| --- | --- |\n| a | 3 |\n";
    let text = format!("{given}{counted}{ids}{end}");
    let case = run(&text, &project).await.unwrap().cases.remove(0);
    assert_eq!(case.failure, None);
    assert_eq!(Vec::from_iter(&case.exercised), ["int_b"]);

    let wrong = text.replace("| b | 1 | 2.50 |", "| b | 2 | 2.50 |");
    let case = run(&wrong, &project).await.unwrap().cases.remove(0);
    assert_eq!(
        case.failure.as_deref().unwrap(),
        "line 11: `int_b.counted` differs: 1 row as expected; `-` is missing, `+` is there instead\n  | id | row_count | sum_amount |\n- | b  | 2         | 2.50       |\n+ | b  | 1         | 2.50       |"
    );
}

#[tokio::test]
async fn a_step_alone_does_not_need_its_model_to_hold() {
    let header = "kind = 'full'\n--! checks = ['row_count > 5']";
    let project = with_model("int_b", header, STEPS);
    let text = "# T\n\ngiven `stg_a`:\n| id |\n| --- |\n| a |\n\nexpect `int_b.counted`:\n| id |\n| --- |\n| a |\n";
    let case = run(text, &project).await.unwrap().cases.remove(0);
    assert_eq!(case.failure, None);
    assert!(case.exercised.is_empty() && case.expected.is_empty());
    let whole = text.replace(".counted", "");
    let failure = run(&whole, &project).await.unwrap().cases.remove(0).failure.unwrap();
    assert!(failure.starts_with("`int_b` breaks its check `row_count > 5`"), "{failure}");
}

#[tokio::test]
async fn the_clock_of_a_case_says_what_the_case_says() {
    let sql = "select id, cast(now() as timestamp) as asked_at, current_date as asked_date from stg_a where created_at < current_timestamp";
    let header = "kind = 'full'\n--! checks = ['asked_date = current_date()']";
    let project = with_model("int_b", header, sql);
    let text = "# T\n\nat `2026-11-01T06:00:00Z`\n\n## case: day\n\ngiven `stg_a`:\n| id | created_at |\n| --- | --- |\n| a | 2026-11-01T05:59:59Z |\n| b | 2026-11-01T06:00:00Z |\n\nexpect `int_b`:\n| id | asked_at | asked_date |\n| --- | --- | --- |\n| a | 2026-11-01T06:00:00Z | 2026-11-01 |\n\n## case: next day\n\nat `2026-11-02`\n\ngiven `stg_a`:\n| id | created_at |\n| --- | --- |\n| b | 2026-11-01T06:00:00Z |\n\nexpect `int_b`:\n| id | asked_at | asked_date |\n| --- | --- | --- |\n| b | 2026-11-02T00:00:00Z | 2026-11-02 |\n";
    let report = run(text, &project).await.unwrap();
    let failures: Vec<_> = report.cases.iter().filter_map(|case| case.failure.as_ref()).collect();
    assert!(failures.is_empty(), "{failures:?}");

    let wrong = text.replace("at `2026-11-02`", "at `2026-11-03`");
    assert!(run(&wrong, &project).await.unwrap().cases[1].failure.is_some());
    let none = text.replace("at `2026-11-01T06:00:00Z`\n", "");
    let failure = run(&none, &project).await.unwrap().cases.remove(0).failure.unwrap();
    assert!(
        failure.contains("`current_timestamp()` asks for the time")
            || failure.contains("()` asks for the time, and the case says none"),
        "{failure}"
    );
}

#[tokio::test]
async fn rows_that_are_remembered_hold_since_the_time_of_the_case() {
    let project =
        with_model("dim_b", "kind = 'scd2'\n--! key = ['id']", "select id, created_at from stg_a");
    let text = "# T\n\nat `2026-11-01`\n\ngiven `stg_a`:\n| id |\n| --- |\n| a |\n\nexpect `dim_b`:\n| id | valid_from_at | valid_to_at | is_current |\n| --- | --- | --- | --- |\n| a | 2026-11-01T00:00:00Z | | true |\n";
    assert_eq!(run(text, &project).await.unwrap().cases[0].failure, None);
    let timeless = text.replace("at `2026-11-01`", "");
    let failure = run(&timeless, &project).await.unwrap().cases.remove(0).failure.unwrap();
    assert!(failure.contains("the case says no time"), "{failure}");
}

#[tokio::test]
async fn complete_leaves_a_case_that_does_not_run() {
    let broken = "## case: broken\n\ngiven `stg_items`:\n| order_id |\n| --- |\n| |\n\nexpect `fct_orders`:\n| order_id |\n| --- |\n| 9 |\n\n";
    let text = TWO.replace("## case: wrong", &format!("{broken}## case: wrong"));
    let completed = complete(&text).await;
    assert_eq!(completed.failures.len(), 1);
    assert_eq!(completed.failures[0].0, 15);
    let written = completed.text.unwrap();
    assert!(written.contains(broken));
    assert!(written.contains("| 2 | 4.125 | B |"));
    let right = TWO.split("## case: wrong").next().unwrap();
    assert_eq!(complete(right).await.text, None);
}

#[tokio::test]
async fn a_model_that_does_not_plan_fails_the_cases_that_need_it_alone() {
    let project = with_model("int_b", "kind = 'full'", "select nothing from stg_a");
    let text = "# T\n\n## case: good\n\ngiven `raw.shop.orders`:\n| id |\n| --- |\n| a |\n\nexpect `stg_a`:\n| id |\n| --- |\n| a |\n\n## case: bad\n\nexpect `int_b`:\n| id |\n| --- |\n";
    let report = run(text, &project).await.unwrap();
    assert_eq!(report.cases[0].failure, None);
    let failure = report.cases[1].failure.as_deref().unwrap();
    assert!(
        failure.contains("int_b.sql:3:8: no column is called `nothing`")
            && failure.contains("[E011]"),
        "{failure}"
    );
}
