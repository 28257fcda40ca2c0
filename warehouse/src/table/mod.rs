//! Tables: a name, a Delta log, exact files.
//!
//! Writing is two steps: stage (files are written, nobody sees them) and commit (one conditional
//! put makes them the table). Between the two they can be read and checked, or thrown away.

mod adopt;
mod files;
mod hash;
mod log;
mod name;
mod rewrite;
mod snapshot;
mod staged;
mod step;
mod types;
mod widened;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt as _;
use object_store::ObjectStore;
use tokio::sync::Mutex;

pub use self::name::{Layer, TableName};
pub use self::snapshot::Snapshot;
pub use self::staged::Staged;
pub use self::step::Step;
pub use self::types::stored_schema;

pub(crate) use self::files::{DataFile, FileWriter, Layout, remove};
pub(crate) use self::hash::{Bag, row_hashes};
pub(crate) use self::log::{Change, Log, files_of};
pub(crate) use self::snapshot::provider;
pub(crate) use self::step::Side;
pub(crate) use self::types::{fit, merge, stored_type};
pub(crate) use self::widened::widened;

use crate::session::{self, Options};
use crate::store::Store;
use crate::{Error, Result};

/// Older versions kept at hand, for releases that pin them.
const PINNED_KEPT: usize = 8;

/// What a table stands on; parts of the warehouse without its list of tables.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) runtime: Arc<RuntimeEnv>,
}

impl Ground {
    pub(crate) fn session(&self) -> Result<SessionContext> {
        session::context(&self.runtime, &self.options)
    }
}

/// The handle of a table, which need not exist yet. Clones share the snapshot in memory.
#[derive(Debug, Clone)]
pub struct Table {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: TableName,
    ground: Ground,
    log: Mutex<Log>,
    pinned: Mutex<BTreeMap<i64, Snapshot>>,
}

impl Table {
    pub(crate) fn new(ground: Ground, name: &TableName) -> Self {
        let log = Mutex::new(Log::new(name.to_string(), ground.store.log_store(&name.location())));
        let inner = Inner { name: name.clone(), ground, log, pinned: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Its name.
    pub fn name(&self) -> &TableName {
        &self.inner.name
    }

    /// The newest version, or `None` when the table does not exist. One listing of the log's tail.
    pub async fn version(&self) -> Result<Option<i64>> {
        let mut log = self.inner.log.lock().await;
        log.refresh().await?;
        Ok(log.version())
    }

    /// The newest snapshot, or `None` when the table does not exist.
    pub async fn snapshot(&self) -> Result<Option<Snapshot>> {
        let mut log = self.inner.log.lock().await;
        log.refresh().await?;
        self.current(&log).await
    }

    /// The snapshot in the locked log, from the shelf when its version is there.
    async fn current(&self, log: &Log) -> Result<Option<Snapshot>> {
        let Some(state) = log.current() else { return Ok(None) };
        let version = log.version().unwrap_or_default();
        if let Some(known) = self.inner.pinned.lock().await.get(&version) {
            return Ok(Some(known.clone()));
        }
        let snapshot = self.describe(version, log.schema_of(state)?, files_of(state));
        self.keep(&snapshot).await;
        Ok(Some(snapshot))
    }

    /// The snapshot at `version`.
    ///
    /// Fails with [`Error::Missing`] when the table or that version of it does not exist.
    pub async fn snapshot_at(&self, version: i64) -> Result<Snapshot> {
        if let Some(known) = self.inner.pinned.lock().await.get(&version) {
            return Ok(known.clone());
        }
        let log = self.inner.log.lock().await;
        let state = log.load(version).await?;
        let snapshot = self.describe(version, log.schema_of(&state)?, files_of(&state));
        drop(log);
        self.keep(&snapshot).await;
        Ok(snapshot)
    }

    fn describe(&self, version: i64, schema: SchemaRef, files: Vec<DataFile>) -> Snapshot {
        let inner = &self.inner;
        let url = inner.ground.store.url_at(&inner.name.location());
        Snapshot::new(inner.name.clone(), inner.ground.clone(), url, version, schema, files)
    }

    async fn keep(&self, snapshot: &Snapshot) {
        let mut pinned = self.inner.pinned.lock().await;
        pinned.insert(snapshot.version(), snapshot.clone());
        if pinned.len() > PINNED_KEPT {
            pinned.pop_first();
        }
    }

    /// Something the engine can scan: the table at `version`, or at its newest.
    ///
    /// Fails with [`Error::Missing`] when there is no such table or version.
    pub async fn provider(&self, version: Option<i64>) -> Result<Arc<dyn TableProvider>> {
        if let Some(version) = version {
            return self.snapshot_at(version).await?.provider();
        }
        let table = self.inner.name.to_string();
        self.snapshot().await?.ok_or(Error::Missing { table, version: None })?.provider()
    }

    /// Writes the rows of `stream` into files that nobody sees until they are committed.
    ///
    /// The table need not exist and is not touched. Fails with [`Error::Column`] for a type that
    /// cannot be stored; files written before a failure are removed.
    pub async fn stage(&self, stream: SendableRecordBatchStream) -> Result<Staged> {
        self.stage_all(vec![stream]).await
    }

    /// Like [`Table::stage`] for the partitions of one plan, each written by its own task.
    ///
    /// All streams must have one schema. Order is kept within a stream only.
    pub async fn stage_all(&self, streams: Vec<SendableRecordBatchStream>) -> Result<Staged> {
        self.stage_laid_out(streams, &Layout::default()).await
    }

    /// Like [`Table::stage_all`], cut into files as `layout` says.
    pub(crate) async fn stage_laid_out(
        &self,
        streams: Vec<SendableRecordBatchStream>,
        layout: &Layout,
    ) -> Result<Staged> {
        let table = self.inner.name.to_string();
        let Some(first) = streams.first() else {
            return Err(Error::Column {
                table,
                column: "*".to_owned(),
                reason: "nothing to write".to_owned(),
            });
        };
        let schema = stored_schema(&table, &first.schema())?;
        let mut tasks = tokio::task::JoinSet::new();
        for stream in streams {
            let writer = self.writer(&schema).laid_out(layout.clone());
            tasks.spawn(drain(table.clone(), writer, stream));
        }
        let mut files = Vec::new();
        let mut bag = Bag::default();
        let mut failure = None;
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(Ok((written, held))) => {
                    files.extend(written);
                    bag = bag.plus(held);
                }
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(error) => {
                    let error = datafusion::error::DataFusionError::External(Box::new(error));
                    failure = failure.or(Some(Error::engine(format!("writing `{table}`"))(error)));
                }
            }
        }
        if let Some(error) = failure {
            remove(&self.objects(), &files).await;
            return Err(error);
        }
        files.sort_by(|a: &DataFile, b| a.path.cmp(&b.path));
        Ok(Staged::new(self.clone(), schema, files).counted(bag))
    }

    /// Stages batches that are already in memory.
    pub async fn stage_batches(
        &self,
        schema: &SchemaRef,
        batches: &[RecordBatch],
    ) -> Result<Staged> {
        let schema = stored_schema(&self.inner.name.to_string(), schema)?;
        let mut writer = self.writer(&schema);
        for batch in batches {
            if let Err(error) = writer.write(batch).await {
                writer.abandon().await;
                return Err(error);
            }
        }
        let files = writer.finish().await?;
        Ok(Staged::new(self.clone(), schema, files))
    }

    pub(crate) fn writer(&self, schema: &SchemaRef) -> FileWriter {
        FileWriter::new(self.inner.name.to_string(), self.objects(), Arc::clone(schema))
    }

    pub(crate) fn objects(&self) -> Arc<dyn ObjectStore> {
        self.inner.ground.store.objects_at(&self.inner.name.location())
    }

    pub(crate) fn ground(&self) -> &Ground {
        &self.inner.ground
    }

    pub(crate) fn log(&self) -> &Mutex<Log> {
        &self.inner.log
    }
}

/// Writes a stream and counts what it holds, in the form in which it is stored.
async fn drain(
    table: String,
    mut writer: FileWriter,
    mut stream: SendableRecordBatchStream,
) -> Result<(Vec<DataFile>, Bag)> {
    let mut bag = Bag::default();
    loop {
        let batch = match stream.try_next().await {
            Ok(Some(batch)) => batch,
            Ok(None) => return writer.finish().await.map(|files| (files, bag)),
            Err(source) => {
                writer.abandon().await;
                return Err(Error::engine(format!("computing `{table}`"))(source));
            }
        };
        let written = match fit(&table, &batch, writer.schema()) {
            Ok(batch) => bag
                .add(&batch)
                .map_err(Error::engine(format!("counting `{table}`")))
                .and(writer.write(&batch).await),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            writer.abandon().await;
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests;
