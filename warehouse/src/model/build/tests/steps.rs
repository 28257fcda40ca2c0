//! A step between two versions of a table: what reads the table asks it for what changed, and does
//! without where it is lost.

use futures::StreamExt as _;
use object_store::ObjectStoreExt as _;

use super::*;
use crate::table::Layer;

const ROWS: u64 = 2000;

const MODELS: &[(&str, &str, &str)] = &[
    (
        "staging/stg_shop__orders.sql",
        "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['order_id']",
        "select id as order_id, max(total) as total_amount from raw.shop.orders group by id",
    ),
    (
        "marts/fct_orders.sql",
        "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['order_id']",
        "select order_id, total_amount from stg_shop__orders where total_amount < 5000",
    ),
];

async fn house() -> House {
    let mut house = House::new(MODELS);
    let rows: Vec<String> = (0..ROWS).map(|n| format!("o{n:05}")).collect();
    let rows: Vec<(&str, i128)> = rows.iter().map(|id| (id.as_str(), 7)).collect();
    house.land(&rows).await;
    assert!(house.build(&[]).await.is_ok());
    house
}

/// Rows read for `fct_orders`.
fn read(report: &BuildReport) -> u64 {
    let fct = report.models.iter().find(|model| model.name == "fct_orders").unwrap();
    assert!(matches!(fct.way, Some(Way::Keys { .. })), "{fct:?}");
    fct.rows_read
}

async fn change_files(house: &House) -> Vec<object_store::path::Path> {
    let all = house.warehouse.store().objects().list(None);
    let all: Vec<_> = all.map(|object| object.unwrap().location).collect().await;
    all.into_iter().filter(|path| path.as_ref().contains("/_change_data/")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_one_row_is_handed_on_as_one_row() {
    let mut house = house().await;
    house.land(&[("o00007", 8)]).await;
    // Its own file is written anew without the row; of its input there is one row to look at.
    assert!(read(&house.build(&[]).await) < ROWS + 10);
    assert_eq!(house.number("select count(*) from fct_orders where total_amount = 8").await, 1);
    // The last row of a key goes.
    house.land(&[("o00008", 6000)]).await;
    assert!(read(&house.build(&[]).await) < ROWS + 10);
    assert_eq!(house.number("select count(*) from fct_orders").await, 1999);
    // Rows that went are part of no table, and each table keeps its own.
    assert_eq!(house.number("select count(*) from stg_shop__orders").await, 2000);
    assert_eq!(change_files(&house).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_step_the_files_are_compared() {
    let mut house = house().await;
    house.land(&[("o00007", 8)]).await;
    assert!(house.build(&["stg_shop__orders"]).await.is_ok());
    for path in change_files(&house).await {
        house.warehouse.store().objects().delete(&path).await.unwrap();
    }
    let read = read(&house.build(&[]).await);
    assert!(read > ROWS + 1000, "{read}");
    assert_eq!(house.number("select count(*) from fct_orders where total_amount = 8").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_leads_from_another_version_is_not_taken() {
    let mut house = house().await;
    house.land(&[("o00007", 8)]).await;
    assert!(house.build(&["stg_shop__orders"]).await.is_ok());
    house.land(&[("o00009", 9)]).await;
    let read = read(&house.build(&[]).await);
    assert!(read > ROWS + 1000, "{read}");
    assert_eq!(house.number("select count(*) from fct_orders where total_amount > 7").await, 2);
    let table = crate::TableName::model(Layer::Marts, "fct_orders");
    assert_eq!(house.warehouse.table(&table).snapshot().await.unwrap().unwrap().rows(), ROWS);
}
