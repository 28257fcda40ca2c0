//! What a table that remembers makes of rows that come back, go back in time, or are told apart by
//! a time.

use super::*;

fn things(kind: &str, rows: &str) -> Project {
    let sql = format!(
        "select id, name, cast(at as timestamp) as updated_at from (values {rows}) as t (id, name, at)"
    );
    project(&[("marts/dim_things.sql", kind, &sql)])
}

const SCD2: &str = "kind = 'scd2'\n--! key = ['id']\n--! updated_at = 'updated_at'";
const APPEND: &str = "kind = 'append'\n--! key = ['updated_at']";

/// Builds `rows` on the day of March.
async fn on(house: &mut House, kind: &str, day: u32, rows: &str) {
    house.project = things(kind, rows);
    house.now = format!("2026-03-{day:02}T00:00:00Z").parse().unwrap();
    let report = house.build(&[]).await;
    assert!(report.is_ok(), "{:?}", report.models[0].error);
}

async fn versions(house: &House) -> Vec<String> {
    let sql = "select name || ' ' || cast(cast(valid_from_at as date) as text) || ' ' || \
               coalesce(cast(cast(valid_to_at as date) as text), 'on') from dim_things \
               where id = 'a' order by valid_from_at";
    texts(house, sql).await
}

async fn texts(house: &House, sql: &str) -> Vec<String> {
    let rows = house.warehouse.query(&house.project, sql, &ReadAt::default()).await.unwrap();
    let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    let column = |batch: &RecordBatch| {
        let column = batch.column(0).as_string::<i32>().iter();
        column.map(|text| text.unwrap().to_owned()).collect::<Vec<_>>()
    };
    rows.iter().flat_map(column).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_comes_back_begins_where_it_ended() {
    let mut house = House::new(&[]);
    on(&mut house, SCD2, 1, "('a', 'x', '2026-01-01'), ('b', 'x', '2026-01-01')").await;
    on(&mut house, SCD2, 2, "('b', 'x', '2026-01-01')").await;
    on(&mut house, SCD2, 3, "('a', 'x', '2026-01-01'), ('b', 'x', '2026-01-01')").await;
    assert_eq!(versions(&house).await, ["x 2026-01-01 2026-03-02", "x 2026-03-02 on"]);
    on(&mut house, SCD2, 4, "('b', 'x', '2026-01-01')").await;
    on(&mut house, SCD2, 5, "('a', 'y', '2026-03-05'), ('b', 'x', '2026-01-01')").await;
    let all = ["x 2026-01-01 2026-03-02", "x 2026-03-02 2026-03-04", "y 2026-03-05 on"];
    assert_eq!(versions(&house).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_readers_saw_stays_though_the_next_says_it_is_older() {
    let mut house = House::new(&[]);
    on(&mut house, SCD2, 1, "('a', 'v', '2026-01-01')").await;
    on(&mut house, SCD2, 2, "('a', 'x', '2026-02-06')").await;
    on(&mut house, SCD2, 3, "('a', 'y', '2026-01-15')").await;
    let all = ["v 2026-01-01 2026-02-06", "x 2026-02-06 2026-03-03", "y 2026-03-03 on"];
    assert_eq!(versions(&house).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_may_be_told_apart_by_a_time() {
    let mut house = House::new(&[]);
    on(&mut house, APPEND, 1, "('a', 'x', '2026-01-01T10:00:00.1234567')").await;
    let both = "('a', 'z', '2026-01-01T10:00:00.1234567'), ('b', 'y', '2026-01-02T10:00:00')";
    on(&mut house, APPEND, 2, both).await;
    assert_eq!(texts(&house, "select name from dim_things order by name").await, ["x", "y"]);

    let kind = "kind = 'scd2'\n--! key = ['updated_at']";
    let mut house = House::new(&[]);
    on(&mut house, kind, 1, both).await;
    on(&mut house, kind, 2, both).await;
    assert_eq!(texts(&house, "select name from dim_things order by name").await, ["y", "z"]);
}
