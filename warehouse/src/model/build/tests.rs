//! Builds over a warehouse in memory.

mod steps;
mod versions;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, StringArray, new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use futures::TryStreamExt as _;
use url::Url;

use super::*;
use crate::model::{ModelSource, ReadAt};
use crate::{ErrorKind, LandingSpec, Options};

struct House {
    warehouse: Warehouse,
    project: Project,
    raw: BTreeMap<String, SchemaRef>,
    events: Arc<Mutex<Vec<String>>>,
    runs: usize,
    now: DateTime<Utc>,
}

fn orders_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("total", DataType::Decimal128(18, 4), true),
        Field::new("_row_hash", DataType::Int64, false),
    ]))
}

const MODELS: &[(&str, &str, &str)] = &[
    (
        "staging/stg_shop__orders.sql",
        "kind = 'view'\n--! key = ['order_id']",
        "with newest as (select id, max(cast(_extracted_at as bigint)) as at from raw.shop.orders group by id) select orders.id as order_id, orders.total as total_amount from raw.shop.orders as orders inner join newest on orders.id = newest.id and cast(orders._extracted_at as bigint) = newest.at",
    ),
    (
        "marts/fct_orders.sql",
        "kind = 'full'\n--! key = ['order_id']\n--! checks = ['total_amount >= 0']",
        "select order_id, total_amount from stg_shop__orders",
    ),
    (
        "marts/agg_totals.sql",
        "kind = 'full'",
        "select cast(sum(total_amount) as decimal(18, 4)) as total_amount, count(*) as order_count from fct_orders",
    ),
    ("marts/dim_fees.sql", "kind = 'full'", "select id as fee_id from stg_shop__fees"),
    ("staging/stg_shop__fees.sql", "kind = 'view'", "select id from raw.shop.fees"),
];

fn project(models: &[(&str, &str, &str)]) -> Project {
    let sources = models.iter().map(|(path, header, sql)| ModelSource {
        path: (*path).to_owned(),
        text: format!("-- One row per thing.\n--! {header}\n{sql}\n"),
    });
    Project::load(sources.collect()).unwrap()
}

impl House {
    fn new(models: &[(&str, &str, &str)]) -> Self {
        let root = Url::parse("memory:///").unwrap();
        let warehouse = Warehouse::open(&root, &BTreeMap::new(), Options::default()).unwrap();
        let raw = BTreeMap::from([
            ("raw.shop.orders".to_owned(), orders_schema()),
            ("raw.shop.fees".to_owned(), orders_schema()),
        ]);
        let project = project(models).with_raw_schemas(&raw);
        Self { warehouse, project, raw, events: Arc::default(), runs: 0, now: DateTime::UNIX_EPOCH }
    }

    async fn land(&mut self, rows: &[(&str, i128)]) {
        let spec = LandingSpec {
            source: "shop".to_owned(),
            stream: "orders".to_owned(),
            key: vec!["id".to_owned()],
            schema: orders_schema(),
        };
        let mut landing = self.warehouse.landing(&spec).await.unwrap();
        let amounts = rows.iter().map(|(_, amount)| amount * 10_000);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(id, _)| *id))),
            Arc::new(
                Decimal128Array::from_iter_values(amounts).with_precision_and_scale(18, 4).unwrap(),
            ),
            Arc::new(Int64Array::from_iter_values(
                rows.iter().map(|(_, amount)| i64::try_from(*amount).unwrap()),
            )),
        ];
        let batch = RecordBatch::try_new(orders_schema(), columns).unwrap();
        self.runs += 1;
        let bookmark = self.runs.to_string();
        landing.land(&[batch], &bookmark, "run", DateTime::UNIX_EPOCH).await.unwrap();
    }

    async fn build(&mut self, select: &[&str]) -> BuildReport {
        self.runs += 1;
        let events = Arc::clone(&self.events);
        let options = BuildOptions {
            environment: Environment::default(),
            select: select.iter().map(|name| (*name).to_owned()).collect(),
            whole: false,
            backfill: None,
            run_id: format!("run-{}", self.runs),
            now: self.now,
            parallel: 2,
            on_event: Arc::new(move |event| {
                let text = match event {
                    BuildEvent::Started { model } => format!("> {model}"),
                    BuildEvent::Finished(report) => {
                        format!("{} {} {}", report.status.as_str(), report.name, report.rows)
                    }
                    BuildEvent::Released { number } => format!("release {number}"),
                };
                events.lock().unwrap().push(text);
            }),
        };
        self.warehouse.build(&self.project, &self.raw, &options).await.unwrap()
    }

    async fn query(&self, sql: &str) -> Vec<RecordBatch> {
        self.try_query(sql).await.unwrap()
    }

    async fn try_query(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let stream = self.warehouse.query(&self.project, sql, &ReadAt::default()).await?;
        stream.try_collect().await.map_err(Error::engine("reading"))
    }

    async fn number(&self, sql: &str) -> i64 {
        let batches = self.query(sql).await;
        batches
            .iter()
            .find(|b| b.num_rows() > 0)
            .unwrap()
            .column(0)
            .as_primitive::<Int64Type>()
            .value(0)
    }
}

fn statuses(report: &BuildReport) -> BTreeMap<String, ModelStatus> {
    report.models.iter().map(|model| (model.name.clone(), model.status)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_build_with_nothing_new_does_nothing_and_a_new_row_reaches_only_its_readers() {
    let mut house = House::new(MODELS);
    house.land(&[("1", 5), ("2", 7)]).await;
    let first = house.build(&[]).await;
    assert!(first.is_ok(), "{first:#?}");
    assert_eq!((first.release, first.count(ModelStatus::Built)), (Some(1), 3));
    assert_eq!(house.number("select order_count from agg_totals").await, 2);
    let events = std::mem::take(&mut *house.events.lock().unwrap());
    assert_eq!(events.last().unwrap(), "release 1");
    assert!(events.contains(&"built fct_orders 2".to_owned()), "{events:?}");

    let second = house.build(&[]).await;
    assert_eq!((second.release, second.count(ModelStatus::Unchanged)), (None, 3));

    // The bookmark moves, no row comes: nothing is new.
    house.land(&[("2", 7)]).await;
    let third = house.build(&[]).await;
    assert_eq!((third.release, third.count(ModelStatus::Unchanged)), (None, 3));

    house.land(&[("3", 1)]).await;
    let fourth = house.build(&[]).await;
    assert_eq!(fourth.release, Some(2));
    let fourth = statuses(&fourth);
    assert_eq!(fourth["dim_fees"], ModelStatus::Unchanged);
    assert_eq!(fourth["fct_orders"], ModelStatus::Built);
    assert_eq!(house.number("select order_count from agg_totals").await, 3);
    assert_eq!(house.number("select count(*) from raw.shop.orders").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_rebuilds_nothing_and_a_changed_view_rebuilds_its_readers() {
    let mut house = House::new(MODELS);
    house.land(&[("1", 5)]).await;
    house.build(&[]).await;
    let mut models = MODELS.to_vec();
    models[1].2 = "select   order_id, total_amount -- a word\nfrom stg_shop__orders";
    house.project = project(&models);
    assert_eq!(house.build(&[]).await.release, None);
    models[0].2 = "select id as order_id, total + 1 as total_amount from raw.shop.orders";
    house.project = project(&models);
    let report = statuses(&house.build(&[]).await);
    assert_eq!(report["fct_orders"], ModelStatus::Failed, "decimal(19, 4) is not the contract");
    models[0].2 = "select id as order_id, cast(total + 1 as decimal(18, 4)) as total_amount from raw.shop.orders";
    house.project = project(&models);
    let report = statuses(&house.build(&[]).await);
    assert_eq!(
        (report["fct_orders"], report["dim_fees"]),
        (ModelStatus::Built, ModelStatus::Unchanged)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_check_publishes_nothing_and_skips_what_reads_the_model() {
    let mut house = House::new(MODELS);
    house.land(&[("1", 5)]).await;
    house.build(&[]).await;
    house.land(&[("2", -7), ("3", 1)]).await;
    let report = house.build(&[]).await;
    assert_eq!((report.release, report.is_ok()), (None, false));
    let of = statuses(&report);
    assert_eq!(of["fct_orders"], ModelStatus::Failed);
    assert_eq!(of["agg_totals"], ModelStatus::Skipped);
    let failed = report.models.iter().find(|m| m.name == "fct_orders").unwrap();
    let error = failed.error.as_ref().unwrap();
    assert_eq!(error.kind, ErrorKind::Data);
    assert_eq!(
        error.message,
        "a blocking check of `fct_orders` failed: `total_amount >= 0` in 1 of 3 rows, such as \
         {\"order_id\":\"2\",\"total_amount\":\"-7.0000\"}"
    );
    // The table and the release are those of before.
    assert_eq!(house.number("select count(*) from fct_orders").await, 1);
    let table = house.warehouse.table(&"fct_orders".parse().unwrap());
    assert_eq!(table.snapshot().await.unwrap().unwrap().rows(), 1);
    let told = "select count(*) from ops.check_results where status = 'failed' and failed_rows = 1 and sample like '%\"order_id\":\"2\"%'";
    assert_eq!(house.number(told).await, 1);
    // Once it is mended, the next build goes through.
    house.land(&[("2", 7)]).await;
    assert_eq!(house.build(&[]).await.release, Some(2));
    assert_eq!(house.number("select count(*) from fct_orders").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_is_written_down_and_published() {
    let mut models = MODELS.to_vec();
    models[1].1 = "kind = 'full'\n--! checks = ['total_amount >= 0']\n--! severity = 'warn'";
    let mut house = House::new(&models);
    house.land(&[("1", -5)]).await;
    assert_eq!(house.build(&[]).await.release, Some(1));
    let told = "select failed_rows from ops.check_results where status = 'warned'";
    assert_eq!(house.number(told).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_while_it_runs_is_named_and_the_others_go_on() {
    let mut models = MODELS.to_vec();
    models[2].2 = "select cast('x' || order_id as bigint) as order_count from fct_orders";
    let mut house = House::new(&models);
    house.land(&[("1", 5)]).await;
    let report = house.build(&[]).await;
    let failed = report.models.iter().find(|m| m.status == ModelStatus::Failed).unwrap();
    let message = &failed.error.as_ref().unwrap().message;
    assert!(message.contains("`agg_totals`") && message.contains("'***'"), "{message}");
    assert_eq!(statuses(&report)["fct_orders"], ModelStatus::Built);
    assert_eq!(report.release, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_builds_its_models_only() {
    let mut house = House::new(MODELS);
    house.land(&[("1", 5)]).await;
    let report = house.build(&["fct_orders"]).await;
    assert_eq!(statuses(&report).into_keys().collect::<Vec<_>>(), ["fct_orders"]);
    let error = house.try_query("select * from agg_totals").await.unwrap_err();
    assert_eq!(error.to_string(), "model `agg_totals` is not built yet");
    let report = house.build(&["+agg_totals"]).await;
    assert_eq!(report.count(ModelStatus::Built), 1);
    assert_eq!(house.number("select order_count from agg_totals").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_reads_and_does_nothing_else() {
    let mut house = House::new(MODELS);
    house.land(&[("1", 5)]).await;
    // Before the first release the raw tables can be read already.
    assert_eq!(house.number("select count(*) from raw.shop.orders").await, 1);
    assert_eq!(house.number("select count(*) from raw.shop.fees").await, 0);
    house.build(&[]).await;
    for sql in [
        "create table x as select 1",
        "create view x as select 1",
        "drop table fct_orders",
        "insert into fct_orders select * from fct_orders",
        "delete from fct_orders",
        "update fct_orders set order_id = 'x'",
        "copy (select 1) to '/tmp/x.csv'",
        "create external table x stored as csv location '/etc/passwd'",
        "explain analyze insert into fct_orders select * from fct_orders",
        "set datafusion.execution.batch_size = 1",
        "select 1; drop table fct_orders",
    ] {
        let error = house.try_query(sql).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{sql}: {error}");
    }
    for sql in [
        "explain select * from fct_orders",
        "show tables",
        "describe fct_orders",
        "select * from stg_shop__orders",
        "select * from stg_shop__fees",
        "select * from ops.runs",
        "select * from ops.export_errors",
        "with a as (select 1 as x) select * from a",
    ] {
        house.try_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    let error = house.try_query("select *\nfrom fct_ordres").await.unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 6: there is no table `fct_ordres`");
    assert_eq!(error.hint().as_deref(), Some("did you mean `fct_orders`?"));
    let error = house.try_query("select order_idd from fct_orders").await.unwrap_err();
    assert_eq!(error.to_string(), "line 1, column 8: no column is called `order_idd`");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_release_reads_as_it_was() {
    let mut house = House::new(MODELS);
    house.land(&[("1", 5)]).await;
    house.build(&[]).await;
    house.land(&[("2", 5)]).await;
    house.build(&[]).await;
    let rows = |at| {
        let house = &house;
        async move {
            let sql =
                "select order_id from stg_shop__orders union all select order_id from fct_orders";
            let stream = house.warehouse.query(&house.project, sql, &at).await.unwrap();
            let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
            batches.iter().map(RecordBatch::num_rows).sum::<usize>()
        }
    };
    let first = ReadAt { release: Some(1), ..ReadAt::default() };
    assert_eq!((rows(first).await, rows(ReadAt::default()).await), (2, 4));
}

const CHECKED: &[(&str, &str, &str)] = &[
    MODELS[0],
    (
        "marts/fct_orders.sql",
        "kind = 'full'\n--! key = ['order_id']\n--! checks = [{ references = 'dim_orders.order_id' }, { steady = 'rows', after = 3, severity = 'warn' }]",
        "select order_id, total_amount from stg_shop__orders",
    ),
    (
        "marts/dim_orders.sql",
        "kind = 'full'\n--! key = ['order_id']",
        "select order_id, count(*) as row_count from stg_shop__orders where total_amount < 50 group by order_id",
    ),
    (
        "marts/agg_totals.sql",
        "kind = 'full'\n--! not_null = ['order_id']",
        "select order_id from fct_orders",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_model_waits_for_what_it_is_checked_against_and_is_looked_at_again_when_that_changes() {
    let mut house = House::new(CHECKED);
    house.land(&[("1", 5), ("2", 7)]).await;
    let report = house.build(&[]).await;
    assert!(report.is_ok(), "{report:#?}");
    let order: Vec<&str> = report.models.iter().map(|model| model.name.as_str()).collect();
    let at = |name: &str| order.iter().position(|other| *other == name).unwrap();
    assert!(at("dim_orders") < at("fct_orders"), "{order:?}");
    // What the plan shows was not looked at: the group's key, and a copy of a checked key.
    let proved = "select count(*) from ops.check_results where status = 'proved' and checked_rows = 0 and check_name = ";
    assert_eq!(
        house.number(&format!("{proved}'unique(order_id)' and model = 'dim_orders'")).await,
        1
    );
    assert_eq!(
        house.number(&format!("{proved}'not_null(order_id)' and model = 'agg_totals'")).await,
        1
    );
    // The other table loses a row, and the rows that refer to it stand.
    let mut models = CHECKED.to_vec();
    models[2].2 = "select order_id, count(*) as row_count from stg_shop__orders where total_amount < 6 group by order_id";
    house.project = project(&models);
    let report = house.build(&[]).await;
    let of = statuses(&report);
    assert_eq!((of["dim_orders"], of["fct_orders"]), (ModelStatus::Built, ModelStatus::Failed));
    let failed = report.models.iter().find(|model| model.name == "fct_orders").unwrap();
    assert_eq!(
        failed.error.as_ref().unwrap().message,
        "a blocking check of `fct_orders` failed: `references(order_id: dim_orders.order_id)` in 1 \
         of 2 rows, such as {\"order_id\":\"2\"}"
    );
    assert_eq!(report.release, None);
    // Mended, it is looked at once more and then left alone.
    models[2].2 = "select order_id, 0 as row_count from stg_shop__orders group by order_id";
    house.project = project(&models);
    let report = house.build(&[]).await;
    assert_eq!(statuses(&report)["fct_orders"], ModelStatus::Unchanged, "{report:#?}");
    let looked = report.models.iter().find(|model| model.name == "fct_orders").unwrap();
    assert_eq!(looked.checks.len(), 1, "only what may have changed");
    let again = house.build(&[]).await;
    assert!(again.models.iter().all(|model| model.checks.is_empty()), "{again:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_tried_again_replaces_its_check_results_and_is_no_past_of_itself() {
    let mut house = House::new(CHECKED);
    for id in ["1", "2", "3", "4"] {
        house.land(&[(id, 5)]).await;
        assert!(house.build(&[]).await.is_ok(), "{id}");
    }
    let all = "select count(*) from ops.check_results where model = 'fct_orders'";
    let before = house.number(all).await;
    // One row a night, and then thirty: far from the past, which is a warning.
    let ids: Vec<String> = (10..40).map(|n| n.to_string()).collect();
    let rows: Vec<(&str, i128)> = ids.iter().map(|id| (id.as_str(), 5)).collect();
    house.land(&rows).await;
    let run = house.runs;
    let mut other = CHECKED.to_vec();
    other[1].2 = "select order_id, total_amount from stg_shop__orders where total_amount < 1000";
    for models in [CHECKED, &other] {
        house.runs = run;
        house.project = project(models);
        let report = house.build(&[]).await;
        assert_eq!(statuses(&report)["fct_orders"], ModelStatus::Built, "{report:#?}");
        let warned = "select count(*) from ops.check_results where status = 'warned' and value = '34' and detail like 'rows is 34, and of 4 builds before the median is 2.5%'";
        assert_eq!(house.number(warned).await, 1);
        assert_eq!(house.number(all).await, before + 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_of_rows_is_checked_also_when_nothing_changed() {
    let mut models = MODELS.to_vec();
    models[1].1 = "kind = 'full'\n--! key = ['order_id']\n--! checks = [{ fresh = 'seen_on', within = '2d' }]";
    models[1].2 =
        "select order_id, total_amount, date '1969-12-31' as seen_on from stg_shop__orders";
    let mut house = House::new(&models);
    house.land(&[("1", 5)]).await;
    assert!(house.build(&[]).await.is_ok());
    house.now = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(3);
    let report = house.build(&[]).await;
    assert_eq!(statuses(&report)["fct_orders"], ModelStatus::Failed);
    let failed = report.models.iter().find(|model| model.name == "fct_orders").unwrap();
    let message = &failed.error.as_ref().unwrap().message;
    assert!(message.contains("3 days old, expected within 2d"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_results_of_an_older_version_are_read_and_widened() {
    let mut house = House::new(CHECKED);
    let newer = ["value", "detail", "environment"];
    let old: Vec<_> = crate::OpsTable::CheckResults.schema().fields().iter().cloned().collect();
    let old = old.into_iter().filter(|field| !newer.contains(&field.name().as_str()));
    let schema = Arc::new(Schema::new(old.collect::<Vec<_>>()));
    let columns = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Arc::new(StringArray::from(vec!["old"])) as ArrayRef,
        other => new_null_array(other, 1),
    });
    let row = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
    let table = house.warehouse.ops_table(crate::OpsTable::CheckResults);
    table.stage_batches(&schema, &[row]).await.unwrap().commit_append().await.unwrap();
    let found = "select count(*) from ops.check_results where value is null and model = 'old'";
    assert_eq!(house.number(found).await, 1);
    house.land(&[("1", 5)]).await;
    assert!(house.build(&[]).await.is_ok());
    assert_eq!(house.number(found).await, 1);
    let told = "select count(*) from ops.check_results where environment = 'prod' and value = '1'";
    assert_eq!(house.number(told).await, 1);
}
