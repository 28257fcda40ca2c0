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
mod stage;
mod staged;
mod step;
mod types;
mod widened;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
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
use self::stage::drain;
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

#[cfg(test)]
mod tests;
