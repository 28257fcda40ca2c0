//! Backfills of a small shop: three months of orders, cut off and gone on with.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray as _, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use futures::{FutureExt as _, TryStreamExt as _};

use super::*;
use crate::model::{BuildOptions, BuildReport, ModelStatus, Project, Way, Why};
use crate::test_house::{House, raw_schemas};
use crate::{Layer, ReadAt, Release, TableName};

const BY_ORDER: &str = "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['order_id']";

/// Orders below 100 are of January, those below 200 of February, the others of March.
fn project(factor: &str) -> Project {
    project_with(factor, &[])
}

/// The same, with more models that are built beside `fct_orders`.
fn project_with(factor: &str, beside: &[&str]) -> Project {
    let dated = format!("{BY_ORDER}\n--! dated_by = 'order_date'");
    let models = [
        (
            "staging/stg_shop__orders.sql",
            BY_ORDER.to_owned(),
            "select id as order_id, max(total) as total_amount from raw.shop.orders group by id"
                .to_owned(),
        ),
        (
            "intermediate/int_orders_dated.sql",
            dated,
            "select order_id, case when total_amount < 100 then date '2025-01-15' \
             when total_amount < 200 then date '2025-02-15' when total_amount < 300 then date '2025-03-15' end \
             as order_date from stg_shop__orders"
                .to_owned(),
        ),
        (
            "marts/fct_orders.sql",
            BY_ORDER.to_owned(),
            format!(
                "select order_id, cast(total_amount * {factor} as decimal(18, 4)) as total_amount from stg_shop__orders"
            ),
        ),
        (
            "marts/agg_totals.sql",
            "kind = 'full'".to_owned(),
            "select cast(sum(total_amount) as decimal(18, 4)) as total_amount, count(*) as order_count from fct_orders"
                .to_owned(),
        ),
    ];
    let [_, _, orders, _] = &models;
    let beside = beside
        .iter()
        .map(|name| (orders.0.replace("fct_orders", name), orders.1.clone(), orders.2.clone()));
    let all =
        models.iter().map(|(path, header, sql)| ((*path).to_owned(), header.clone(), sql.clone()));
    let sources = all.chain(beside).map(|(path, header, sql)| crate::ModelSource {
        path,
        text: format!("-- One row per thing.\n--! {header}\n{sql}\n"),
    });
    Project::load(sources.collect()).unwrap().with_raw_schemas(&raw_schemas())
}

async fn house() -> House {
    let mut house = House::new();
    house.project = project("1");
    house
        .land("orders", &[("a", 50), ("b", 60), ("c", 150), ("d", 160), ("e", 250), ("f", 900)])
        .await;
    assert!(house.build("prod").await.is_ok());
    house
}

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn options(backfill: Option<Backfill>, select: &[&str]) -> BuildOptions {
    BuildOptions {
        environment: Environment::default(),
        select: select.iter().map(|name| (*name).to_owned()).collect(),
        whole: false,
        backfill,
        run_id: "backfill".to_owned(),
        now: chrono::DateTime::UNIX_EPOCH,
        parallel: 2,
        on_event: Arc::new(|_| {}),
    }
}

async fn run(house: &House, backfill: Backfill, select: &[&str]) -> Result<BuildReport> {
    let options = options(Some(backfill), select);
    house.warehouse.build(&house.project, &raw_schemas(), &options).await
}

async fn build(house: &House) -> BuildReport {
    let options = options(None, &[]);
    house.warehouse.build(&house.project, &raw_schemas(), &options).await.unwrap()
}

fn way<'a>(report: &'a BuildReport, name: &str) -> Option<&'a Way> {
    report.models.iter().find(|model| model.name == name).unwrap().way.as_ref()
}

async fn amounts(house: &House) -> Vec<(String, i64)> {
    let sql =
        "select order_id, cast(total_amount as bigint) as n from fct_orders order by order_id";
    let rows = house.warehouse.query(&house.project, sql, &ReadAt::default()).await.unwrap();
    let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    let mut found = Vec::new();
    for batch in &rows {
        let amounts = batch.column(1).as_primitive::<Int64Type>();
        for (row, id) in batch.column(0).as_string::<i32>().iter().enumerate() {
            found.push((id.unwrap().to_owned(), amounts.value(row)));
        }
    }
    found
}

fn ids(of: &[(&str, i64)]) -> Vec<(String, i64)> {
    of.iter().map(|(id, amount)| ((*id).to_owned(), *amount)).collect()
}

fn told(error: &Error) -> String {
    format!("{error} ({})", error.hint().unwrap_or_default())
}

/// Puts other rows under the released table, as a bad disk or a bad hand would.
async fn spoil(house: &House) {
    let table = house.warehouse.table(&TableName::model(Layer::Marts, "fct_orders"));
    let session = house.warehouse.session().unwrap();
    let rows = session.read_table(table.provider(None).await.unwrap()).unwrap();
    let one = datafusion::prelude::lit(1_i64);
    let amount = datafusion::prelude::cast(one, DataType::Decimal128(18, 4));
    let spoiled = rows
        .select(vec![datafusion::prelude::ident("order_id"), amount.alias("total_amount")])
        .unwrap();
    let staged = table.stage(spoiled.execute_stream().await.unwrap()).await.unwrap();
    let version = staged.commit_replace().await.unwrap();
    let at = table.snapshot_at(version).await.unwrap().at();
    let standing = house.current("prod").await;
    let number = standing.number + 1;
    let mut release = Release { number, ..standing };
    release.tables.insert("fct_orders".to_owned(), at);
    house.warehouse.publish(&Environment::default(), &release).await.unwrap();
}

#[test]
fn a_month_is_read_from_a_month_or_a_day() {
    assert_eq!(month("2025-02").to_string(), "2025-02");
    assert_eq!(month("2025-02-28"), month("2025-02"));
    assert_eq!("Feb".parse::<Month>().unwrap_err(), "`Feb` is no month; write it as 2026-11");
    assert!("2025-13".parse::<Month>().is_err() && "2025".parse::<Month>().is_err());
    assert!(month("2025-12") < month("2026-01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_range_are_computed_anew_and_no_others() {
    let house = house().await;
    spoil(&house).await;
    assert!(amounts(&house).await.iter().all(|(_, amount)| *amount == 1));
    let range = Backfill::Months(month("2025-02"), Some(month("2025-02")));
    let report = run(&house, range, &["fct_orders"]).await.unwrap();
    assert_eq!(way(&report, "fct_orders"), Some(&Way::Months { months: 1, is_outdated: false }));
    let expected = ids(&[("a", 1), ("b", 1), ("c", 150), ("d", 160), ("e", 1), ("f", 1)]);
    assert_eq!(amounts(&house).await, expected);
    assert!(house.warehouse.unfinished(&Environment::default()).await.unwrap().is_none());
    // Without an end it goes through the newest month; what reads it follows.
    let report = run(&house, Backfill::Months(month("2025-01"), None), &[]).await.unwrap();
    assert_eq!(way(&report, "fct_orders"), Some(&Way::Months { months: 3, is_outdated: false }));
    assert_eq!(way(&report, "agg_totals").map(Way::as_str), Some("full"));
    // An order that nobody can date belongs to no month.
    assert_eq!(amounts(&house).await.last().unwrap().1, 1);
    assert_eq!(build(&house).await.count(ModelStatus::Built), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn models_side_by_side_do_not_wait_for_each_other_for_ever() {
    let mut house = house().await;
    house.project = project_with("1", &["fct_b", "fct_c", "fct_d", "fct_e", "fct_f"]);
    assert!(build(&house).await.is_ok());
    for _ in 0..5 {
        let range = Backfill::Months(month("2025-01"), None);
        let ended =
            tokio::time::timeout(std::time::Duration::from_mins(1), run(&house, range, &[]));
        assert!(ended.await.expect("it waits for ever").unwrap().is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_model_is_up_to_date_when_no_month_was_left_out() {
    let mut house = house().await;
    house.project = project("2");
    let part = Backfill::Months(month("2025-03"), None);
    let report = run(&house, part, &["fct_orders"]).await.unwrap();
    assert_eq!(way(&report, "fct_orders"), Some(&Way::Months { months: 1, is_outdated: true }));
    assert_eq!(amounts(&house).await[4..], ids(&[("e", 500), ("f", 900)]));
    let report = build(&house).await;
    assert_eq!(way(&report, "fct_orders"), Some(&Way::Full(Why::Plan)));

    house.project = project("3");
    let all = Backfill::Months(month("2025-01"), None);
    let report = run(&house, all, &["fct_orders", "agg_totals"]).await.unwrap();
    assert_eq!(way(&report, "fct_orders"), Some(&Way::Months { months: 3, is_outdated: false }));
    // With all months also what has none.
    assert_eq!(amounts(&house).await.last().unwrap().1, 2700);
    assert_eq!(build(&house).await.count(ModelStatus::Built), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_are_taken_along_and_a_first_table_needs_all_months() {
    let mut house = house().await;
    house.land("orders", &[("g", 70), ("a", 80)]).await;
    let range = Backfill::Months(month("2025-02"), Some(month("2025-03")));
    run(&house, range, &[]).await.unwrap();
    let now = amounts(&house).await;
    assert_eq!((now[0].clone(), now[6].clone()), (("a".to_owned(), 80), ("g".to_owned(), 70)));
    assert_eq!(build(&house).await.count(ModelStatus::Built), 0);

    let dev: Environment = "dev".parse().unwrap();
    let mut first = options(Some(Backfill::Months(month("2025-02"), None)), &["fct_orders"]);
    first.environment = dev.clone();
    let report = house.warehouse.build(&house.project, &raw_schemas(), &first).await.unwrap();
    let failure = report.models[0].error.clone().unwrap();
    assert!(failure.message.contains("`fct_orders` has no table of its own yet"), "{failure:?}");
    first.backfill = Some(Backfill::Afresh(month("2025-01"), None));
    let report = house.warehouse.build(&house.project, &raw_schemas(), &first).await.unwrap();
    assert_eq!(way(&report, "fct_orders"), Some(&Way::Months { months: 3, is_outdated: false }));
    let dev = house.current("dev").await;
    let mine = &dev.tables["fct_orders"];
    let table = TableName::model(Layer::Marts, "fct_orders").built_in(&mine.environment);
    let table = house.warehouse.table(&table).snapshot_at(mine.version).await.unwrap();
    assert_eq!(table.rows(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_off_anywhere_is_gone_on_with() {
    let mut house = house().await;
    house.project = project("2");
    let before = house.current("prod").await;
    let mut cuts = 0;
    for polls in 1..40 {
        let backfill = match house.warehouse.unfinished(&Environment::default()).await.unwrap() {
            None => Backfill::Months(month("2025-01"), None),
            Some(_) => Backfill::Resume,
        };
        let (options, raw) = (options(Some(backfill), &[]), raw_schemas());
        let mut running = Box::pin(house.warehouse.build(&house.project, &raw, &options));
        let mut ended = None;
        for _ in 0..polls * 12 {
            if let Some(report) = (&mut running).now_or_never() {
                ended = Some(report);
                break;
            }
            tokio::time::sleep(std::time::Duration::from_micros(300)).await;
        }
        drop(running);
        if let Some(report) = ended {
            assert!(report.unwrap().is_ok());
            break;
        }
        cuts += 1;
        assert_eq!(house.current("prod").await, before, "readers saw a part");
    }
    assert!(cuts > 0, "it was never cut off");
    let doubled = [("a", 100), ("b", 120), ("c", 300), ("d", 320), ("e", 500), ("f", 1800)];
    assert_eq!(amounts(&house).await, ids(&doubled));
    assert!(house.warehouse.unfinished(&Environment::default()).await.unwrap().is_none());
    assert_eq!(build(&house).await.count(ModelStatus::Built), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_begin_or_go_on_says_why() {
    let mut house = house().await;
    let refuse = async |house: &House, backfill: Backfill, select: &[&str]| {
        told(&run(house, backfill, select).await.unwrap_err())
    };
    let jan = Backfill::Months(month("2025-01"), None);
    assert_eq!(
        refuse(&house, Backfill::Resume, &[]).await,
        "no backfill was cut off (begin one with `--from`)"
    );
    let backwards = Backfill::Months(month("2025-03"), Some(month("2025-01")));
    assert!(refuse(&house, backwards, &[]).await.starts_with("2025-03 is after 2025-01"));
    assert_eq!(
        refuse(&house, Backfill::Months(month("2035-01"), Some(month("2035-02"))), &[]).await,
        "no order is from 2035-01 to 2035-02 (the orders are from 2025-01 to 2025-03)"
    );
    // One that fails is left for later.
    house.project = project("1 / 0");
    assert!(!run(&house, jan.clone(), &["fct_orders"]).await.unwrap().is_ok());
    assert!(refuse(&house, jan.clone(), &[]).await.contains("from 2025-01 to 2025-03 was cut off"));
    assert!(refuse(&house, Backfill::Resume, &["agg_totals"]).await.contains("is of `fct_orders`"));
    house.project = project("4");
    assert!(
        refuse(&house, Backfill::Resume, &[])
            .await
            .starts_with("`fct_orders` or Inkhouse is another")
    );
    house.project = project("1 / 0");
    house.land("orders", &[("z", 10)]).await;
    let dated = options(None, &["+int_orders_dated"]);
    house.warehouse.build(&house.project, &raw_schemas(), &dated).await.unwrap();
    assert!(refuse(&house, Backfill::Resume, &[]).await.starts_with("a release was published"));
    house.project = project("5");
    let afresh = Backfill::Afresh(month("2025-01"), None);
    assert!(run(&house, afresh, &[]).await.unwrap().is_ok());
    assert_eq!(amounts(&house).await.last().unwrap(), &("z".to_owned(), 50));
}
