//! Tables: what is staged is not there, what is committed is whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{ident, lit};
use futures::TryStreamExt as _;
use object_store::ObjectStore as _;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::prop_assert_eq;
use url::Url;

use super::*;
use crate::{Options, Warehouse};

fn house(root: &str) -> Warehouse {
    Warehouse::open(&Url::parse(root).unwrap(), &BTreeMap::new(), Options::default()).unwrap()
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Utf8, true),
        Field::new("v", DataType::Int64, true),
    ]))
}

fn rows(pairs: &[(String, i64)]) -> RecordBatch {
    let keys = StringArray::from_iter_values(pairs.iter().map(|(k, _)| k));
    let values = Int64Array::from_iter_values(pairs.iter().map(|(_, v)| *v));
    RecordBatch::try_new(schema(), vec![Arc::new(keys) as ArrayRef, Arc::new(values)]).unwrap()
}

fn pairs(of: &[(&str, i64)]) -> Vec<(String, i64)> {
    of.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect()
}

async fn stage(table: &Table, of: &[(String, i64)]) -> Staged {
    table.stage_batches(&schema(), &[rows(of)]).await.unwrap()
}

async fn scan(house: &Warehouse, provider: Arc<dyn TableProvider>) -> Vec<(String, i64)> {
    let frame = house.session().unwrap().read_table(provider).unwrap();
    let mut found = Vec::new();
    for batch in frame.collect().await.unwrap() {
        let (keys, values) = (batch.column(0), batch.column(1));
        let values = values.as_primitive::<Int64Type>();
        for (row, key) in keys.as_string::<i32>().iter().enumerate() {
            found.push((key.unwrap().to_owned(), values.value(row)));
        }
    }
    found.sort();
    found
}

async fn read(house: &Warehouse, table: &Table) -> Vec<(String, i64)> {
    scan(house, table.provider(None).await.unwrap()).await
}

#[tokio::test]
async fn what_is_staged_and_discarded_was_never_there() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(Url::from_directory_path(dir.path()).unwrap().as_str());
    let table = house.table(&"fct_orders".parse().unwrap());
    let staged = stage(&table, &pairs(&[("a", 1)])).await;
    assert_eq!((staged.rows(), table.version().await.unwrap()), (1, None));
    assert!(matches!(table.provider(None).await, Err(Error::Missing { .. })));
    staged.commit_replace().await.unwrap();
    assert_eq!(table.version().await.unwrap(), Some(1));
    let staged = stage(&table, &pairs(&[("b", 2), ("c", 3)])).await;
    assert_eq!(scan(&house, staged.provider().unwrap()).await, pairs(&[("b", 2), ("c", 3)]));
    staged.discard().await;
    assert_eq!(table.version().await.unwrap(), Some(1));
    assert_eq!(read(&house, &table).await, pairs(&[("a", 1)]));
    let files = fs_err::read_dir(dir.path().join("marts/fct_orders")).unwrap();
    let parquet = files.filter(|f| f.as_ref().unwrap().path().extension().is_some()).count();
    assert_eq!(parquet, 1, "the discarded file is gone");
}

#[tokio::test]
async fn a_replaced_table_stays_readable_at_its_older_version() {
    let root = "memory://versions";
    let house = house(root);
    let table = house.table(&"dim_designs".parse().unwrap());
    stage(&table, &pairs(&[("a", 1)])).await.commit_replace().await.unwrap();
    let second = stage(&table, &pairs(&[("b", 2)])).await.commit_replace().await.unwrap();
    let wider = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Utf8, true),
        Field::new("v", DataType::Int64, true),
        Field::new("w", DataType::Int64, true),
    ]));
    let third = table.stage_batches(&wider, &[rows(&pairs(&[("c", 3)]))]).await.unwrap();
    assert_eq!(third.commit_replace().await.unwrap(), second + 1);
    for house in [house.clone(), self::house(root)] {
        let table = house.table(&"dim_designs".parse().unwrap());
        let at = |version| table.provider(Some(version));
        assert_eq!(scan(&house, at(second).await.unwrap()).await, pairs(&[("b", 2)]));
        assert_eq!(at(second).await.unwrap().schema().fields().len(), 2);
        assert_eq!(at(second + 1).await.unwrap().schema().fields().len(), 3);
        assert!(matches!(at(9).await, Err(Error::Missing { version: Some(9), .. })));
    }
}

#[tokio::test]
async fn writers_racing_for_one_table_lose_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let root = Url::from_directory_path(dir.path()).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..4_i64 {
        let house = house(root.as_str());
        tasks.spawn(async move {
            let table = house.table(&"ops.steps".parse().unwrap());
            for n in 0..5_i64 {
                let row = [(format!("{writer}-{n}"), n)];
                let staged = stage(&table, &row).await;
                if writer % 2 == 0 {
                    staged.commit_append().await.unwrap();
                } else {
                    staged.commit_upsert(&["k".to_owned()]).await.unwrap();
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let house = house(root.as_str());
    let table = house.table(&"ops.steps".parse().unwrap());
    assert_eq!(read(&house, &table).await.len(), 20);
    assert_eq!(table.snapshot().await.unwrap().unwrap().rows(), 20);
}

#[tokio::test]
async fn an_appended_column_is_null_in_older_rows() {
    let house = house("memory:///");
    let table = house.table(&"fct_orders".parse().unwrap());
    stage(&table, &pairs(&[("a", 1)])).await.commit_append().await.unwrap();
    let wider = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Utf8, true),
        Field::new("w", DataType::Int64, true),
    ]));
    let batch = RecordBatch::try_new(
        Arc::clone(&wider),
        vec![
            Arc::new(StringArray::from(vec!["b"])) as ArrayRef,
            Arc::new(Int64Array::from(vec![7])),
        ],
    )
    .unwrap();
    table.stage_batches(&wider, &[batch]).await.unwrap().commit_append().await.unwrap();
    let session = house.session().unwrap();
    session.register_table("t", table.provider(None).await.unwrap()).unwrap();
    let query = "select k from t where (k = 'a' and w is null) or (k = 'b' and v is null)";
    assert_eq!(session.sql(query).await.unwrap().count().await.unwrap(), 2);
}

#[tokio::test]
async fn the_log_describes_each_file_as_its_footer_does() {
    let house = house("memory:///");
    let table = house.table(&"fct_orders".parse().unwrap());
    stage(&table, &pairs(&[("a", 5), ("c", -3)])).await.commit_append().await.unwrap();
    let mut log = table.log().lock().await;
    log.refresh().await.unwrap();
    let stats: serde_json::Value =
        serde_json::from_str(&files_of(log.current().unwrap())[0].stats).unwrap();
    assert_eq!(stats["numRecords"], 2);
    assert_eq!(stats["minValues"], serde_json::json!({ "k": "a", "v": -3 }));
    assert_eq!(stats["maxValues"], serde_json::json!({ "k": "c", "v": 5 }));
    assert_eq!(stats["nullCount"], serde_json::json!({ "k": 0, "v": 0 }));
}

#[tokio::test]
async fn joins_in_a_session_are_the_kind_that_spills() {
    let house = house("memory:///");
    let session = house.session().unwrap();
    session.register_batch("a", rows(&pairs(&[("a", 1)]))).unwrap();
    session.register_batch("b", rows(&pairs(&[("a", 1)]))).unwrap();
    let frame = session.sql("select a.v from a inner join b on a.k = b.k").await.unwrap();
    let plan = frame.create_physical_plan().await.unwrap();
    let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
    assert!(text.contains("SortMergeJoin"), "{text}");
    let query = "select arrow_typeof(0.1 + 0.2), arrow_typeof(now())";
    let batches = session.sql(query).await.unwrap().collect().await.unwrap();
    assert!(batches[0].column(0).as_string::<i32>().value(0).starts_with("Decimal128"));
    assert!(batches[0].column(1).as_string::<i32>().value(0).contains("UTC"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn an_upsert_equals_a_map(
        nights in prop::collection::vec(
            prop::collection::btree_map(0_u8..30, any::<i64>(), 0..12), 1..8,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = house("memory:///");
            let table = house.table(&"fct_orders".parse().unwrap());
            let mut model = BTreeMap::new();
            for night in nights {
                let staged: Vec<(String, i64)> =
                    night.into_iter().map(|(k, v)| (format!("key-{k:02}"), v)).collect();
                model.extend(staged.iter().cloned());
                stage(&table, &staged).await.commit_upsert(&["k".to_owned()]).await.unwrap();
                let expected: Vec<(String, i64)> = model.clone().into_iter().collect();
                prop_assert_eq!(read(&house, &table).await, expected);
            }
            Ok(())
        })?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_order_is_dealt_out_to_files_that_each_have_a_range() {
    let house = house("memory:///");
    let table = house.table(&TableName::model(Layer::Marts, "fct_x"));
    let all: Vec<(String, i64)> = (0..950).map(|n| (format!("k{n:04}"), n)).collect();
    let batches: Vec<_> = all.chunks(64).map(|some| Ok(rows(some))).collect();
    let stream = futures::stream::iter(batches);
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema(), stream));
    let layout = Layout { file_rows: Some(100), ..Layout::default() };
    let staged = table.stage_laid_out(vec![stream], &layout).await.unwrap();
    let whole = stage(&table, &all).await;
    assert_eq!(staged.rows(), 950);
    assert_eq!(scan(&house, staged.provider().unwrap()).await, all);
    whole.discard().await;
    staged.commit_replace().await.unwrap();
    let snapshot = table.snapshot().await.unwrap().unwrap();
    let mut ranges: Vec<_> = snapshot
        .data_files()
        .iter()
        .map(|file| (file.text_bounds("k").unwrap(), file.rows))
        .collect();
    ranges.sort();
    assert_eq!(ranges.len(), 10);
    assert!(ranges.iter().all(|(_, rows)| *rows <= 100));
    assert!(ranges.windows(2).all(|pair| pair[0].0.1 < pair[1].0.0), "{ranges:?}");

    // Of one row only its own file is looked at, and a range that leaves it out hides it.
    let session = house.session().unwrap();
    let goes = ident("k").eq(lit("k0450"));
    let hits = |low, high| snapshot.find(&session, &goes, Some(("k", low, high)));
    assert_eq!(hits("k0450", "k0450").await.unwrap().rows(), 1);
    assert_eq!(hits("k0600", "k0700").await.unwrap().rows(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_leaves_no_file() {
    let house = house("memory:///");
    let table = house.table(&TableName::model(Layer::Marts, "fct_x"));
    let all: Vec<(String, i64)> = (0..300).map(|n| (format!("k{n:04}"), n)).collect();
    let broken = datafusion::error::DataFusionError::Execution("gone".to_owned());
    let batches = all.chunks(64).map(|some| Ok(rows(some))).chain([Err(broken)]);
    let stream = futures::stream::iter(batches.collect::<Vec<_>>());
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema(), stream));
    let layout = Layout { file_rows: Some(100), ..Layout::default() };
    let error = table.stage_laid_out(vec![stream], &layout).await.unwrap_err();
    assert!(error.to_string().contains("computing `fct_x`"), "{error}");
    let left: Vec<_> = house.store().objects().list(None).try_collect().await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}
