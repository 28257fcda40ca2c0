//! The handle everything hangs on. Cheap to open and to clone; nothing is read until asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use url::Url;

use crate::Result;
use crate::environment::Environment;
use crate::session::{self, Options};
use crate::store::Store;
use crate::table::{Ground, Table, TableName};

/// An open warehouse.
#[derive(Debug, Clone)]
pub struct Warehouse {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    options: Options,
    runtime: Arc<RuntimeEnv>,
    tables: Mutex<HashMap<TableName, Table>>,
}

impl Warehouse {
    /// Opens the warehouse at `root` without touching it.
    ///
    /// Fails with [`crate::Error::Root`] when the address or an option cannot be used.
    pub fn open(
        root: &Url,
        storage_options: &BTreeMap<String, String>,
        options: Options,
    ) -> Result<Self> {
        Self::on(Store::open(root, storage_options)?, options)
    }

    /// The warehouse on an opened store.
    pub(crate) fn on(store: Store, options: Options) -> Result<Self> {
        let runtime = session::runtime(&store, &options)?;
        let inner = Inner { store, options, runtime, tables: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where it lives.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// What the engine may use.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// A new, empty session with the house's settings; all sessions share one memory pool.
    pub fn session(&self) -> Result<SessionContext> {
        session::context(&self.inner.runtime, &self.inner.options)
    }

    /// The handle of a table, which need not exist. Handles of one name share one snapshot.
    pub fn table(&self, name: &TableName) -> Table {
        let mut tables = self.inner.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.entry(name.clone()).or_insert_with(|| Table::new(self.ground(), name)).clone()
    }

    /// Forgets what is known of the tables of an environment, whose files are gone.
    pub(crate) fn forget_tables(&self, environment: &Environment) {
        let mut tables = self.inner.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.retain(|name, _| name.environment() != environment);
    }

    /// Tables hold the parts they need, not the handle, so that no cycle keeps a warehouse alive.
    fn ground(&self) -> Ground {
        Ground {
            store: self.inner.store.clone(),
            options: self.inner.options.clone(),
            runtime: Arc::clone(&self.inner.runtime),
        }
    }
}
