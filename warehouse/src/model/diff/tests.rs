//! Differences between releases over a warehouse in memory.

use std::collections::BTreeMap;

use datafusion::arrow::array::{
    Decimal128Array, Int64Array, ListArray, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::Int32Type;
use serde_json::json;

use super::*;
use crate::Options;
use crate::test_house::House;

impl House {
    async fn diff(&self, before: &str, after: &str, select: &[&str]) -> Result<Diff> {
        let select: Vec<String> = select.iter().map(|name| (*name).to_owned()).collect();
        let (before, after) = (before.parse()?, after.parse()?);
        self.warehouse.diff(&self.project, &before, &after, &select).await
    }
}

fn table<'a>(diff: &'a Diff, name: &str) -> &'a TableDiff {
    diff.tables.iter().find(|table| table.table == name).unwrap()
}

#[test]
fn a_side_is_a_number_an_environment_or_both() {
    let text = |side: &str| side.parse::<ReadAt>().map(|at| at.to_string());
    assert_eq!(text("7").unwrap(), "prod@7");
    assert_eq!(text("dev").unwrap(), "dev");
    assert_eq!(text("dev@3").unwrap(), "dev@3");
    for wrong in ["", "dev@", "dev@x", "@3", "Dev", "-1"] {
        let error = text(wrong).unwrap_err().to_string();
        assert_eq!(error, format!("`{wrong}` is no name for an environment"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_matched_by_key_and_values_counted_column_by_column() {
    let mut house = House::new();
    house.land("orders", &[("1", 5), ("2", 7), ("3", 9)]).await;
    house.land("fees", &[("9", 1)]).await;
    house.build("prod").await;
    house.build("dev").await;
    // Order 2 costs more and its note is another, order 3 is gone, order 4 is new.
    house.rewrite("marts/fct_orders.sql", "select cast(case when order_id = '3' then '4' else order_id end as varchar) as order_id, cast(case when order_id = '2' then 7.5 else total_amount end as decimal(18, 4)) as total_amount, 'note to ' || order_id as note from stg_shop__orders");
    house.build("dev").await;
    let diff = house.diff("prod", "dev", &[]).await.unwrap();
    assert_eq!((diff.before.as_str(), diff.after.as_str()), ("prod@1", "dev@2"));
    assert_eq!((diff.equal, diff.is_empty()), (3, false), "two raw tables and the fees");
    let orders = table(&diff, "fct_orders");
    let rows = orders.rows.as_ref().unwrap();
    assert_eq!(rows.key, ["order_id"]);
    assert_eq!((rows.added, rows.removed, rows.changed), (1, 1, 2));
    assert_eq!(Value::from(rows.added_samples.clone()), json!([{ "order_id": "4" }]));
    assert_eq!(Value::from(rows.removed_samples.clone()), json!([{ "order_id": "3" }]));
    let of = |column: &str| rows.values.iter().find(|diff| diff.column == column).unwrap();
    assert_eq!(of("total_amount").rows, 1);
    let sample = &of("total_amount").samples;
    assert_eq!(
        serde_json::to_value(sample).unwrap(),
        json!([{ "key": { "order_id": "2" }, "before": "7.0000", "after": "7.5000" }])
    );
    // Free text is masked.
    assert_eq!(of("note").rows, 2);
    assert_eq!(
        (&of("note").samples[0].before, &of("note").samples[0].after),
        (&json!("n***"), &json!("n***"))
    );
    assert_eq!(
        serde_json::to_value(&orders.sums).unwrap(),
        json!([{ "column": "total_amount", "currency_code": null, "before": "21.0000", "after": "21.5000", "difference": "0.5000" }])
    );
    // Without a key: a row that is another is one less and one more.
    let totals = table(&diff, "agg_totals").rows.as_ref().unwrap();
    assert_eq!((totals.key.len(), totals.added, totals.removed, totals.changed), (0, 1, 1, 0));
    assert_eq!(totals.added_samples[0]["total_amount"], json!("21.5000"));

    let only = house.diff("prod", "dev", &["agg_totals"]).await.unwrap();
    assert_eq!((only.tables.len(), only.equal), (1, 0));
    assert!(house.diff("prod", "dev", &["agg_total"]).await.is_err());
    assert!(house.diff("prod", "nowhere", &[]).await.is_err());
    assert!(house.diff("1", "2", &[]).await.is_err());
    assert!(house.diff("prod", "prod", &[]).await.unwrap().tables.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_tables_are_counted_unless_named_and_columns_are_listed() {
    let mut house = House::new();
    house.land("orders", &[("1", 5)]).await;
    house.build("prod").await;
    house.land("orders", &[("2", 7)]).await;
    house.rewrite("marts/fct_orders.sql", "select order_id, total_amount, length(order_id) as note, 'x' as colour_code from stg_shop__orders");
    house.build("prod").await;
    let diff = house.diff("1", "2", &[]).await.unwrap();
    let raw = table(&diff, "raw.shop.orders");
    assert_eq!((raw.rows_before, raw.rows_after, raw.rows.is_none()), (1, 2, true));
    let orders = table(&diff, "fct_orders");
    let columns: Vec<String> = orders.columns.iter().map(ToString::to_string).collect();
    assert_eq!(columns, ["`note` from text to int32", "`colour_code` added, text"]);
    assert_eq!(orders.rows.as_ref().unwrap().added, 1);
    let raw = house.diff("1", "2", &["raw.shop.orders"]).await.unwrap();
    assert_eq!(table(&raw, "raw.shop.orders").rows.as_ref().unwrap().added, 1);
}

/// Two versions of one table, compared.
async fn compare(
    key: &[&str],
    before: Vec<(&str, ArrayRef)>,
    after: Vec<(&str, ArrayRef)>,
) -> (RowsDiff, Vec<SumDiff>) {
    let (pair, rows) = pair(key, before, after).await;
    let rows = match pair.by_key(rows).await.unwrap() {
        Some(rows) => rows,
        None => pair.as_bags().await.unwrap(),
    };
    (rows, pair.sums().await.unwrap())
}

async fn pair(
    key: &[&str],
    before: Vec<(&str, ArrayRef)>,
    after: Vec<(&str, ArrayRef)>,
) -> (Pair, (u64, u64)) {
    let root = url::Url::parse("memory:///").unwrap();
    let warehouse = Warehouse::open(&root, &BTreeMap::default(), Options::default()).unwrap();
    let table = warehouse.table(&"fct_x".parse().unwrap());
    let mut snapshots = Vec::new();
    for columns in [before, after] {
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        );
        let batch = batch.unwrap();
        let staged = table.stage_batches(&batch.schema(), &[batch]).await.unwrap();
        let version = staged.commit_replace().await.unwrap();
        snapshots.push(table.snapshot_at(version).await.unwrap());
    }
    let (old, new) = (&snapshots[0], &snapshots[1]);
    let key = key.iter().map(|key| (*key).to_owned()).collect();
    let pair = Pair::of(warehouse.session().unwrap(), "fct_x", old, new, key).unwrap();
    (pair, (old.rows(), new.rows()))
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringArray>())
}

fn numbers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<Int64Array>())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_be_null_and_moments_and_values_may_be_lists() {
    let moments = |values: &[Option<i64>]| -> ArrayRef {
        let values = TimestampMicrosecondArray::from(values.to_vec());
        Arc::new(values.with_timezone("UTC"))
    };
    let lists = |values: Vec<Option<Vec<Option<i32>>>>| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(values))
    };
    let before: Vec<(&str, ArrayRef)> = vec![
        ("at", moments(&[Some(1), None, Some(3)])),
        ("size_id", texts(&[Some("a"), None, Some("c")])),
        ("list", lists(vec![Some(vec![Some(1)]), None, Some(vec![])])),
    ];
    let after: Vec<(&str, ArrayRef)> = vec![
        ("at", moments(&[None, Some(1), Some(4)])),
        ("size_id", texts(&[None, Some("a"), Some("c")])),
        ("list", lists(vec![None, Some(vec![Some(2)]), Some(vec![])])),
    ];
    let (rows, _) = compare(&["at", "size_id"], before, after).await;
    assert_eq!((rows.added, rows.removed, rows.changed), (1, 1, 1));
    assert_eq!(rows.values[0].column, "list");
    assert_eq!(rows.values[0].samples[0].key["size_id"], json!("a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_names_two_rows_falls_back_to_bags_where_repeated_rows_count() {
    let before = vec![
        ("order_id", texts(&[Some("a"), Some("a"), Some("a"), Some("b")])),
        ("n", numbers(&[Some(1), Some(1), Some(2), None])),
    ];
    let after = vec![
        ("order_id", texts(&[Some("a"), Some("a"), Some("b"), Some("b")])),
        ("n", numbers(&[Some(1), Some(2), None, None])),
    ];
    let (rows, _) = compare(&["order_id"], before, after).await;
    assert_eq!((rows.key.len(), rows.added, rows.removed), (0, 1, 1));
    assert_eq!(
        rows.removed_samples,
        [json!({ "order_id": "a", "n": "1" }).as_object().unwrap().clone()]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_summed_exactly_and_in_one_currency_at_a_time() {
    let money = |values: &[i128]| -> ArrayRef {
        let values = Decimal128Array::from_iter_values(values.iter().copied());
        Arc::new(values.with_precision_and_scale(18, 4).unwrap())
    };
    let side = |codes: [Option<&str>; 3], amounts: [i128; 3]| {
        vec![
            ("order_id", texts(&[Some("a"), Some("b"), Some("c")])),
            ("currency_code", texts(&codes)),
            ("total_amount", money(&amounts)),
        ]
    };
    let before = side([Some("EUR"), Some("USD"), None], [99_999_999_999_999_999, 10_000, 5]);
    let after = side([Some("EUR"), Some("EUR"), None], [99_999_999_999_999_998, 10_000, 5]);
    let (rows, sums) = compare(&["order_id"], before, after).await;
    assert_eq!(rows.changed, 2);
    let sums: Vec<_> = sums
        .iter()
        .map(|sum| {
            [sum.currency_code.as_deref().unwrap_or("-"), &sum.before, &sum.after, &sum.difference]
        })
        .collect();
    assert_eq!(
        sums,
        [
            ["EUR", "9999999999999.9999", "10000000000000.9998", "0.9999"],
            ["USD", "1.0000", "0.0000", "-1.0000"],
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rare_change_among_many_is_shown_too() {
    let rows = 1_000;
    let ids: Vec<String> = (0..rows).map(|n| format!("{n:04}")).collect();
    let ids = || texts(&ids.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>());
    let side = |shift: i64, last: i64| {
        let moved: Vec<_> = (0..rows).map(|n| Some(n + shift)).collect();
        let rare: Vec<_> = (0..rows).map(|n| Some(if n == rows - 1 { last } else { 0 })).collect();
        vec![("order_id", ids()), ("moved", numbers(&moved)), ("rare", numbers(&rare))]
    };
    let (diff, _) = compare(&["order_id"], side(0, 0), side(1, 1)).await;
    assert_eq!(diff.changed, 1_000);
    let rare = diff.values.iter().find(|diff| diff.column == "rare").unwrap();
    assert_eq!((rare.rows, rare.samples[0].key["order_id"].as_str()), (1, Some("0999")));
    let moved = diff.values.iter().find(|diff| diff.column == "moved").unwrap();
    assert_eq!((moved.rows, moved.samples.len()), (1_000, SAMPLES));
    assert_eq!(moved.samples[0].key["order_id"], json!("0000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_matched_by_a_join_that_spills() {
    let moments: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC"));
    let side = || {
        vec![
            ("order_id", texts(&[Some("a")])),
            ("at", Arc::clone(&moments)),
            ("n", numbers(&[None])),
        ]
    };
    let (pair, _) = pair(&["order_id", "at"], side(), side()).await;
    let query = format!("explain {}", pair.counting(&[2], "false"));
    let plan = pair.collect(&query).await.unwrap();
    let plan = arrow::util::pretty::pretty_format_batches(&plan).unwrap().to_string();
    let text: String = plan.split_whitespace().collect();
    assert!(text.contains("SortMergeJoin"), "{plan}");
    assert!(!text.contains("NestedLoopJoin") && !text.contains("HashJoin"), "{plan}");
}
