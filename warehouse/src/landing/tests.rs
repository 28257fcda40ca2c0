//! Landing: once, in order, whatever happens in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use datafusion::arrow::array::{Decimal128Array, Int64Array, ListArray, StringArray, StructArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::Fields;
use datafusion::arrow::util::pretty::pretty_format_batches;
use url::Url;

use super::*;
use crate::{OpsTable, Options};

fn house(root: &str) -> Warehouse {
    Warehouse::open(&Url::parse(root).unwrap(), &BTreeMap::new(), Options::default()).unwrap()
}

fn money() -> DataType {
    DataType::Decimal128(18, 4)
}

fn line_fields() -> Fields {
    vec![Field::new("sku", DataType::Utf8, true), Field::new("price", money(), true)].into()
}

/// As connectors write it: `item` for elements, required columns not null.
fn schema() -> SchemaRef {
    let item = Arc::new(Field::new("item", DataType::Struct(line_fields()), true));
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("total", money(), true),
        Field::new("lines", DataType::List(item), true),
        Field::new("_extra", DataType::Utf8, true),
        Field::new("_row_hash", DataType::Int64, false),
    ]))
}

fn spec() -> LandingSpec {
    LandingSpec {
        source: "shop".to_owned(),
        stream: "orders".to_owned(),
        key: vec!["id".to_owned()],
        schema: schema(),
    }
}

/// Orders of two lines; the hash of a row is its total.
fn page(orders: &[(&str, i128)]) -> RecordBatch {
    let rows = orders.len();
    let price = |total: &i128| [*total, total * 10];
    let prices = Decimal128Array::from_iter_values(orders.iter().flat_map(|(_, t)| price(t)));
    let skus = StringArray::from_iter_values((0..rows * 2).map(|n| format!("sku-{n}")));
    let lines = StructArray::new(
        line_fields(),
        vec![Arc::new(skus), Arc::new(prices.with_precision_and_scale(18, 4).unwrap())],
        None,
    );
    let item = Arc::new(Field::new("item", DataType::Struct(line_fields()), true));
    let lines =
        ListArray::new(item, OffsetBuffer::from_lengths(vec![2; rows]), Arc::new(lines), None);
    let totals = Decimal128Array::from_iter_values(orders.iter().map(|(_, total)| *total));
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(StringArray::from_iter_values(orders.iter().map(|(id, _)| id))),
            Arc::new(totals.with_precision_and_scale(18, 4).unwrap()),
            Arc::new(lines),
            Arc::new(StringArray::new_null(rows)),
            Arc::new(Int64Array::from_iter_values(
                orders.iter().map(|(_, total)| i64::try_from(*total).unwrap()),
            )),
        ],
    )
    .unwrap()
}

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minute)
}

async fn sql(house: &Warehouse, query: &str) -> String {
    let session = house.session().unwrap();
    let orders = house.table(&TableName::raw("shop", "orders"));
    session.register_table("orders", orders.provider(None).await.unwrap()).unwrap();
    let rejects = house.ops_provider(OpsTable::Rejects).await.unwrap();
    session.register_table("rejects", rejects).unwrap();
    let batches = session.sql(query).await.unwrap().collect().await.unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let rows = text.lines().filter(|line| line.starts_with('|')).skip(1);
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(" ");
    rows.map(cells).collect::<Vec<_>>().join("\n")
}

const VERSIONS: &str = "select id, total from orders order by id, _extracted_at";

#[tokio::test]
async fn a_page_that_is_read_twice_lands_once_and_nothing_new_writes_nothing() {
    let house = house("memory:///");
    let mut landing = house.landing(&spec()).await.unwrap();
    assert_eq!(landing.bookmark(), None);
    let batch = page(&[("1", 10_000), ("2", 20_000)]);
    let first = landing.land(std::slice::from_ref(&batch), "a", "run", at(1)).await.unwrap();
    assert_eq!((first.rows, first.unchanged, first.version), (2, 0, 1));
    for mut landing in [landing, house.landing(&spec()).await.unwrap()] {
        assert_eq!(landing.bookmark(), Some("a"));
        let again = landing.land(std::slice::from_ref(&batch), "a", "run", at(2)).await.unwrap();
        assert_eq!((again.rows, again.unchanged, again.version), (0, 2, 1));
    }
    assert_eq!(sql(&house, VERSIONS).await, "1 1.0000\n2 2.0000");
}

#[tokio::test]
async fn a_bookmark_moves_without_rows() {
    let house = house("memory:///");
    let mut landing = house.landing(&spec()).await.unwrap();
    let landed = landing.land(&[], "a", "run", at(1)).await.unwrap();
    assert_eq!((landed.rows, landed.version), (0, 1));
    let again = landing.land(&[], "a", "run", at(2)).await.unwrap();
    assert_eq!(again.version, 1);
    assert_eq!(house.landing(&spec()).await.unwrap().bookmark(), Some("a"));
}

#[tokio::test]
async fn a_record_that_goes_back_to_what_it_was_keeps_all_three_versions() {
    let house = house("memory:///");
    for (n, total) in [10_000, 20_000, 10_000, 10_000].into_iter().enumerate() {
        // One landing per run, all at the same clock: the time is moved up by itself.
        let mut landing = house.landing(&spec()).await.unwrap();
        landing.land(&[page(&[("1", total)])], &n.to_string(), "run", at(5)).await.unwrap();
    }
    assert_eq!(sql(&house, VERSIONS).await, "1 1.0000\n1 2.0000\n1 1.0000");
    let distinct = "select count(distinct _extracted_at) from orders";
    assert_eq!(sql(&house, distinct).await, "3");
}

#[tokio::test]
async fn of_one_key_twice_in_a_page_the_last_is_kept() {
    let house = house("memory:///");
    let mut landing = house.landing(&spec()).await.unwrap();
    let pages = [page(&[("1", 10_000), ("1", 20_000)]), page(&[("2", 1), ("1", 30_000)])];
    let landed = landing.land(&pages, "a", "run", at(1)).await.unwrap();
    assert_eq!((landed.rows, landed.unchanged), (2, 2));
    assert_eq!(sql(&house, VERSIONS).await, "1 3.0000\n2 0.0001");
}

#[tokio::test]
async fn nested_lists_and_decimals_read_back_as_they_were() {
    let house = house("memory:///");
    let mut landing = house.landing(&spec()).await.unwrap();
    landing.land(&[page(&[("1", 12_345)])], "a", "run-7", at(1)).await.unwrap();
    let query = "select lines[2]['price'], lines[1]['sku'], _run_id, _extracted_at from orders";
    assert_eq!(sql(&house, query).await, "12.3450 sku-0 run-7 1970-01-01T00:01:00Z");
    let snapshot = house.table(&TableName::raw("shop", "orders")).snapshot().await.unwrap();
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.rows(), 1);
    assert_eq!(snapshot.schema().field_with_name("id").unwrap().data_type(), &DataType::Utf8);
}

#[tokio::test]
async fn a_crash_between_bookmark_and_commit_leaves_no_trace_in_the_tables() {
    let dir = tempfile::tempdir().unwrap();
    let root = Url::from_directory_path(dir.path()).unwrap();
    let root = root.as_str();
    let mut landing = house(root).landing(&spec()).await.unwrap();
    landing.land(&[page(&[("1", 10_000)])], "a", "run-1", at(1)).await.unwrap();
    // The crash: files staged, the object of the next bookmark written, no commit.
    landing.write(&[], "run-2", 0).await.unwrap();
    let lost = Saved { bookmark: "b".to_owned(), run_id: "run-2".to_owned(), at: at(2) };
    let number = landing.bookmarks.write(&lost).await.unwrap();
    drop(landing);

    let house = house(root);
    let mut landing = house.landing(&spec()).await.unwrap();
    assert_eq!(landing.bookmark(), Some("a"));
    landing.land(&[page(&[("2", 20_000)])], "c", "run-3", at(3)).await.unwrap();
    assert!(landing.number > Some(number), "a number is never used twice");
    assert_eq!(house.landing(&spec()).await.unwrap().bookmark(), Some("c"));
    assert_eq!(sql(&house, VERSIONS).await, "1 1.0000\n2 2.0000");
}

#[tokio::test]
async fn two_runs_landing_one_stream_keep_one_page_and_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let root = Url::from_directory_path(dir.path()).unwrap();
    // One handle and two, since a process and two machines must behave alike.
    let one = house(root.as_str());
    for other in [one.clone(), house(root.as_str())] {
        let mut a = one.landing(&spec()).await.unwrap();
        let mut b = other.landing(&spec()).await.unwrap();
        let before = a.bookmark().map(str::to_owned);
        let next = format!("{}+", before.unwrap_or_default());
        let total = i128::try_from(next.len()).unwrap();
        let rows = [page(&[("1", total)])];
        let (first, second) = tokio::join!(
            a.land(&rows, &next, "run-a", at(1)),
            b.land(&rows, &next, "run-b", at(1)),
        );
        assert_ne!(first.is_ok(), second.is_ok());
        let lost = first.err().or(second.err()).unwrap();
        assert!(matches!(lost, Error::Race { .. }), "{lost}");
        // The loser stands at the winner's bookmark and sees its rows.
        for landing in [&mut a, &mut b] {
            assert_eq!(landing.bookmark(), Some(next.as_str()));
            let again = landing.land(&rows, &next, "run-c", at(2)).await.unwrap();
            assert_eq!(again.rows, 0);
        }
    }
    assert_eq!(sql(&one, VERSIONS).await, "1 0.0001\n1 0.0002");
}

#[tokio::test]
async fn a_rewrite_by_somebody_else_does_not_stop_a_landing() {
    let house = house("memory:///");
    let mut landing = house.landing(&spec()).await.unwrap();
    landing.land(&[page(&[("1", 10_000)])], "a", "run", at(1)).await.unwrap();
    let table = house.table(&TableName::raw("shop", "orders"));
    let session = house.session().unwrap();
    let frame = session.read_table(table.provider(None).await.unwrap()).unwrap();
    let staged = table.stage(frame.execute_stream().await.unwrap()).await.unwrap();
    staged.commit_replace().await.unwrap();
    let landed = landing.land(&[page(&[("2", 20_000)])], "b", "run", at(2)).await.unwrap();
    assert_eq!(landed.version, 3);
    assert_eq!(sql(&house, VERSIONS).await, "1 1.0000\n2 2.0000");
}

#[tokio::test]
async fn a_stream_that_learns_a_column_keeps_its_older_rows() {
    let house = house("memory:///");
    let mut landing = house.landing(&spec()).await.unwrap();
    landing.land(&[page(&[("1", 10_000)])], "a", "run", at(1)).await.unwrap();
    let mut fields: Vec<_> = line_fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("quantity", DataType::Int64, true)));
    let item = Arc::new(Field::new("item", DataType::Struct(fields.into()), true));
    let mut columns: Vec<_> = schema().fields().iter().cloned().collect();
    columns[2] = Arc::new(Field::new("lines", DataType::List(item), true));
    columns.push(Arc::new(Field::new("note", DataType::Utf8, true)));
    let wider = LandingSpec { schema: Arc::new(Schema::new(columns)), ..spec() };
    let mut landing = house.landing(&wider).await.unwrap();
    // An older page still lands, and so does the old declaration.
    landing.land(&[page(&[("2", 20_000)])], "b", "run", at(2)).await.unwrap();
    let mut landing = house.landing(&spec()).await.unwrap();
    landing.land(&[page(&[("3", 30_000)])], "c", "run", at(3)).await.unwrap();
    let query = "select id, note is null, lines[1]['quantity'] is null, lines[1]['price'] \
                 from orders order by id";
    let expected = "1 true true 1.0000\n2 true true 2.0000\n3 true true 3.0000";
    assert_eq!(sql(&house, query).await, expected);
}

#[tokio::test]
async fn rejects_of_a_page_that_is_read_twice_are_kept_once() {
    let house = house("memory:///");
    let landing = house.landing(&spec()).await.unwrap();
    let reject = |record: &str| Rejected {
        record: record.to_owned(),
        pointer: "/total".to_owned(),
        reason: "not a number".to_owned(),
    };
    let page = [reject("{\"a\":1}"), reject("{\"a\":2}"), reject("{\"a\":1}")];
    assert_eq!(landing.reject(&page, "run-1", at(1)).await.unwrap(), 2);
    assert_eq!(landing.reject(&page, "run-2", at(2)).await.unwrap(), 0);
    let (a, b) = ([reject("x"), reject("y")], [reject("y"), reject("z")]);
    let (a, b) =
        tokio::join!(landing.reject(&a, "run-3", at(3)), landing.reject(&b, "run-4", at(3)),);
    assert_eq!(a.unwrap() + b.unwrap(), 3);
    assert_eq!(sql(&house, "select count(*), count(distinct reject_id) from rejects").await, "5 5");
}

#[tokio::test]
async fn a_hundred_landings_survive_their_checkpoints() {
    let root = "memory://checkpoints";
    let mut landing = house(root).landing(&spec()).await.unwrap();
    for n in 0..110 {
        let rows = [page(&[(&n.to_string(), 10_000)])];
        landing.land(&rows, &n.to_string(), "run", at(1)).await.unwrap();
    }
    let house = house(root);
    let landing = house.landing(&spec()).await.unwrap();
    assert_eq!((landing.bookmark(), landing.version()), (Some("109"), 110));
    assert_eq!(sql(&house, "select count(*), count(distinct id) from orders").await, "110 110");
}
