//! The ops tables: declared, upserted, compacted.

use std::collections::BTreeMap;

use datafusion::arrow::array::{ArrayRef, AsArray as _};
use url::Url;

use super::*;
use crate::Options;

fn run(id: &str, status: &str) -> RecordBatch {
    let column = |text: &str| Arc::new(StringArray::from(vec![text.to_owned()])) as ArrayRef;
    RecordBatch::try_from_iter([("run_id", column(id)), ("status", column(status))]).unwrap()
}

async fn statuses(house: &Warehouse) -> Vec<(String, String)> {
    let provider = house.ops_provider(OpsTable::Runs).await.unwrap();
    let frame = house.session().unwrap().read_table(provider).unwrap();
    let frame = frame.select(vec![ident("run_id"), ident("status")]).unwrap();
    let mut found = Vec::new();
    for batch in frame.collect().await.unwrap() {
        let texts =
            |n: usize| batch.column(n).as_string::<i32>().iter().flatten().map(str::to_owned);
        found.extend(texts(0).zip(texts(1)));
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_run_is_one_row_however_often_it_is_reported() {
    let house =
        Warehouse::open(&Url::parse("memory:///").unwrap(), &BTreeMap::new(), Options::default())
            .unwrap();
    assert!(statuses(&house).await.is_empty());
    for n in 0..40 {
        let id = format!("run-{n:03}");
        house.ops_upsert(OpsTable::Runs, &run(&id, "running")).await.unwrap();
        house.ops_upsert(OpsTable::Runs, &run(&id, "done")).await.unwrap();
    }
    let found = statuses(&house).await;
    assert_eq!(found.len(), 40);
    assert!(found.iter().all(|(_, status)| status == "done"));
    let files = house.ops_table(OpsTable::Runs).snapshot().await.unwrap().unwrap().files();
    assert!(files.len() < 40, "small files are gathered, {} left", files.len());
}

#[tokio::test]
async fn a_column_the_table_does_not_declare_is_refused() {
    let house =
        Warehouse::open(&Url::parse("memory:///").unwrap(), &BTreeMap::new(), Options::default())
            .unwrap();
    let column = Arc::new(StringArray::from(vec!["x"])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("nope", column)]).unwrap();
    let error = house.ops_append(OpsTable::Steps, &batch).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `nope` does not fit `ops.steps`: the table has no such column"
    );
}

#[test]
fn every_key_is_declared() {
    for table in OpsTable::ALL {
        for key in table.key() {
            assert!(table.schema().field_with_name(key).is_ok(), "{table:?} {key}");
        }
    }
}
