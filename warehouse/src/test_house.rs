//! A small shop for tests of releases: two raw tables, a few models, a store that can fail.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt as _;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};

use crate::{
    BuildEvent, BuildOptions, BuildReport, Environment, LandingSpec, ModelSource, Options, Project,
    ReadAt, Release, Result, Store, Warehouse,
};

/// Path, header, SQL.
pub(crate) type ModelText = (&'static str, &'static str, &'static str);

pub(crate) const MODELS: [ModelText; 5] = [
    (
        "staging/stg_shop__orders.sql",
        "kind = 'view'\n--! key = ['order_id']",
        "select id as order_id, max(total) as total_amount from raw.shop.orders group by id",
    ),
    (
        "marts/fct_orders.sql",
        "kind = 'full'\n--! key = ['order_id']",
        "select order_id, total_amount, 'note of ' || order_id as note from stg_shop__orders",
    ),
    (
        "marts/agg_totals.sql",
        "kind = 'full'",
        "select cast(sum(total_amount) as decimal(18, 4)) as total_amount, count(*) as order_count from fct_orders",
    ),
    ("marts/dim_fees.sql", "kind = 'full'", "select fee_id from stg_shop__fees"),
    (
        "staging/stg_shop__fees.sql",
        "kind = 'view'",
        "select distinct id as fee_id from raw.shop.fees",
    ),
];

pub(crate) fn project(models: &[ModelText]) -> Project {
    let sources = models.iter().map(|(path, header, sql)| ModelSource {
        path: (*path).to_owned(),
        text: format!("-- One row per thing.\n--! {header}\n{sql}\n"),
    });
    Project::load(sources.collect()).unwrap().with_raw_schemas(&raw_schemas())
}

pub(crate) fn raw_schemas() -> BTreeMap<String, SchemaRef> {
    ["raw.shop.orders", "raw.shop.fees"].map(|name| (name.to_owned(), record_schema())).into()
}

fn record_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("total", DataType::Decimal128(18, 4), true),
        Field::new("_row_hash", DataType::Int64, false),
    ]))
}

pub(crate) fn env(name: &str) -> Environment {
    name.parse().unwrap()
}

pub(crate) struct House {
    pub(crate) warehouse: Warehouse,
    pub(crate) project: Project,
    pub(crate) fuse: Arc<Fuse>,
    runs: usize,
}

impl House {
    pub(crate) fn new() -> Self {
        let fuse = Arc::new(Fuse::default());
        let store = Store::of(Arc::clone(&fuse) as _);
        let warehouse = Warehouse::on(store, Options::default()).unwrap();
        Self { warehouse, project: project(&MODELS), fuse, runs: 0 }
    }

    /// Another process: the same storage, nothing in memory.
    pub(crate) fn reopened(&self) -> Warehouse {
        Warehouse::on(self.warehouse.store().clone(), Options::default()).unwrap()
    }

    /// Changes the SQL of one model.
    pub(crate) fn rewrite(&mut self, path: &str, sql: &'static str) {
        let mut models = MODELS;
        models.iter_mut().find(|model| model.0 == path).unwrap().2 = sql;
        self.project = project(&models);
    }

    pub(crate) async fn land(&mut self, stream: &str, rows: &[(&str, i128)]) {
        let spec = LandingSpec {
            source: "shop".to_owned(),
            stream: stream.to_owned(),
            key: vec!["id".to_owned()],
            schema: record_schema(),
        };
        let mut landing = self.warehouse.landing(&spec).await.unwrap();
        let amounts = rows.iter().map(|(_, amount)| amount * 10_000);
        let amounts = Decimal128Array::from_iter_values(amounts);
        let hashes = rows.iter().map(|(_, amount)| i64::try_from(*amount).unwrap());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(id, _)| *id))),
            Arc::new(amounts.with_precision_and_scale(18, 4).unwrap()),
            Arc::new(Int64Array::from_iter_values(hashes)),
        ];
        let batch = RecordBatch::try_new(record_schema(), columns).unwrap();
        self.runs += 1;
        let bookmark = self.runs.to_string();
        landing.land(&[batch], &bookmark, "run", DateTime::UNIX_EPOCH).await.unwrap();
    }

    pub(crate) fn options(&mut self, environment: &str, select: &[&str]) -> BuildOptions {
        self.runs += 1;
        BuildOptions {
            environment: env(environment),
            select: select.iter().map(|name| (*name).to_owned()).collect(),
            whole: false,
            backfill: None,
            run_id: format!("run-{}", self.runs),
            now: DateTime::<Utc>::UNIX_EPOCH,
            parallel: 2,
            on_event: Arc::new(|_: BuildEvent| {}),
        }
    }

    /// Builds all models; they must succeed.
    pub(crate) async fn build(&mut self, environment: &str) -> BuildReport {
        let options = self.options(environment, &[]);
        let report = self.warehouse.build(&self.project, &raw_schemas(), &options).await.unwrap();
        assert!(report.is_ok(), "{report:#?}");
        report
    }

    pub(crate) async fn current(&self, environment: &str) -> Release {
        self.warehouse.current_release(&env(environment)).await.unwrap().unwrap()
    }

    /// The answer of a query as lines of text.
    pub(crate) async fn query(&self, at: &str, sql: &str) -> Vec<String> {
        answer(&self.warehouse, &self.project, at, sql).await.unwrap()
    }
}

pub(crate) async fn answer(
    warehouse: &Warehouse,
    project: &Project,
    at: &str,
    sql: &str,
) -> Result<Vec<String>> {
    let at: ReadAt = at.parse().unwrap();
    let rows = warehouse.query(project, sql, &at).await?;
    let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    let mut lines = Vec::new();
    for batch in batches {
        let options = FormatOptions::default();
        let columns = batch.columns().iter();
        let columns: Vec<_> =
            columns.map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            lines.push(values.join(" "));
        }
    }
    Ok(lines)
}

/// A store in memory that takes its time to write, and whose every write fails once a number of
/// writes have been made.
#[derive(Debug)]
pub(crate) struct Fuse {
    inner: InMemory,
    left: AtomicI64,
}

impl Default for Fuse {
    fn default() -> Self {
        Self { inner: InMemory::new(), left: AtomicI64::new(i64::MAX) }
    }
}

impl Fuse {
    /// Lets `writes` more of them through.
    pub(crate) fn set(&self, writes: i64) {
        self.left.store(writes, Ordering::SeqCst);
    }

    fn burn(&self) -> object_store::Result<()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        let source = "the store was cut off".into();
        Err(object_store::Error::Generic { store: "fuse", source })
    }
}

impl fmt::Display for Fuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store with a fuse")
    }
}

#[async_trait]
impl ObjectStore for Fuse {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.burn()?;
        // Others go on in the meantime, as with any store that is not in memory.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.burn()?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.burn()?;
        self.inner.copy_opts(from, to, options).await
    }
}
