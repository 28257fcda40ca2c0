//! One table's Delta log: open, create, evolve, commit.
//!
//! The snapshot is kept in memory and moved forward by each commit, so a commit costs the same
//! however long the log is; a checkpoint every [`CHECKPOINT_EVERY`] commits keeps opening cheap.
//! A commit that another writer made impossible is [`Error::Race`], and has left nothing visible.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _};
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake::kernel::{Action, MetadataExt as _, StructType, Transaction, new_metadata};
use deltalake::logstore::{CommitOrBytes, LogStoreRef};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaTable, DeltaTableError, checkpoints};
use serde_json::json;
use uuid::Uuid;

use super::files::DataFile;
use super::types::stored_schema;
use crate::{Error, ErrorKind, Result};

/// Commits between two checkpoints.
const CHECKPOINT_EVERY: u64 = 50;
/// How often a commit is tried again when another one was first but does not contradict it.
const RETRIES: usize = 50;

/// What a commit does to the files that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Leaves them.
    Append,
    /// Removes those given; whoever added rows meanwhile makes this a race.
    Rewrite,
}

/// The log of one table, with the newest snapshot this process has seen.
pub(crate) struct Log {
    name: String,
    store: LogStoreRef,
    state: Option<DeltaTableState>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version();
        f.debug_struct("Log")
            .field("name", &self.name)
            .field("version", &version)
            .finish_non_exhaustive()
    }
}

impl Log {
    pub(crate) fn new(name: String, store: LogStoreRef) -> Self {
        Self { name, store, state: None }
    }

    fn failed(&self, doing: &'static str) -> impl Fn(DeltaTableError) -> Error + use<> {
        let table = self.name.clone();
        move |source| Error::Table { table: table.clone(), doing, source: Box::new(source) }
    }

    /// The version of the snapshot in memory.
    pub(crate) fn version(&self) -> Option<i64> {
        self.state.as_ref().map(|state| signed(state.version()))
    }

    /// Brings the snapshot up to date; false when the table does not exist.
    pub(crate) async fn refresh(&mut self) -> Result<bool> {
        let failed = self.failed("reading its log");
        let Some(state) = &self.state else {
            if !self.store.is_delta_table_location().await.map_err(&failed)? {
                return Ok(false);
            }
            let state = DeltaTableState::try_new(&self.store, None).await.map_err(&failed)?;
            self.state = Some(state);
            return Ok(true);
        };
        let latest = self.store.get_latest_version(state.version()).await.map_err(&failed)?;
        if latest > state.version()
            && let Some(state) = self.state.as_mut()
        {
            state.update(&self.store, Some(latest)).await.map_err(&failed)?;
        }
        Ok(true)
    }

    /// A state at an older version, not kept.
    pub(crate) async fn load(&self, version: i64) -> Result<DeltaTableState> {
        let missing = || Error::Missing { table: self.name.clone(), version: Some(version) };
        let number = u64::try_from(version).map_err(|_| missing())?;
        match DeltaTableState::try_new(&self.store, Some(number)).await {
            Ok(state) if state.version() == number => Ok(state),
            Ok(_) => Err(missing()),
            Err(error) => {
                let error = self.failed("reading its log")(error);
                // A store that does not answer says nothing about what is there.
                if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Access) {
                    return Err(error);
                }
                tracing::debug!(table = self.name, version, %error, "version does not load");
                Err(missing())
            }
        }
    }

    fn state(&self) -> Result<&DeltaTableState> {
        let table = self.name.clone();
        self.state.as_ref().ok_or(Error::Missing { table, version: None })
    }

    /// The snapshot in memory.
    pub(crate) fn current(&self) -> Option<&DeltaTableState> {
        self.state.as_ref()
    }

    /// The stored schema of `state`.
    pub(crate) fn schema_of(&self, state: &DeltaTableState) -> Result<SchemaRef> {
        let schema: Schema = state
            .snapshot()
            .schema()
            .as_ref()
            .try_into_arrow()
            .map_err(Error::arrow(format!("reading the schema of `{}`", self.name)))?;
        stored_schema(&self.name, &schema)
    }

    /// The newest version of `app`'s own counter; commits move it together with their rows.
    pub(crate) async fn counter(&self, app: &str) -> Result<Option<i64>> {
        self.state()?
            .transaction_version(&self.store, app)
            .await
            .map_err(self.failed("reading its transactions"))
    }

    /// Makes an empty table unless there is one; afterwards the snapshot is loaded.
    ///
    /// Version 0 is one conditional put, so of two creators one wins and both go on.
    pub(crate) async fn create(&mut self, schema: &SchemaRef) -> Result<()> {
        if self.refresh().await? {
            return Ok(());
        }
        let failed = self.failed("creating it");
        let kernel = self.kernel_schema(schema)?;
        let interval = CHECKPOINT_EVERY.to_string();
        let configuration = [("delta.checkpointInterval", interval.as_str())];
        let metadata = new_metadata(&kernel, Vec::<String>::new(), configuration)
            .map_err(|error| failed(error.into()))?;
        let lines = [
            json!({ "commitInfo": { "operation": "CREATE TABLE", "timestamp": metadata.created_time() } }),
            json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } }),
            json!({ "metaData": metadata }),
        ];
        let text = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let entry = CommitOrBytes::LogBytes(text.into_bytes().into());
        match self.store.write_commit_entry(0, entry, Uuid::new_v4()).await {
            Ok(()) | Err(TransactionError::VersionAlreadyExists(_)) => {}
            Err(error) => return Err(failed(error.into())),
        }
        self.refresh().await.map(drop)
    }

    fn kernel_schema(&self, schema: &SchemaRef) -> Result<StructType> {
        schema
            .as_ref()
            .try_into_kernel()
            .map_err(Error::arrow(format!("describing the schema of `{}`", self.name)))
    }

    /// The action that gives the table another schema.
    pub(crate) fn new_schema(&self, schema: &SchemaRef) -> Result<Action> {
        let metadata = self.state()?.metadata().clone();
        let failed = self.failed("changing its schema");
        let metadata = metadata
            .with_schema(&self.kernel_schema(schema)?)
            .map_err(|error| failed(error.into()))?;
        Ok(Action::Metadata(metadata))
    }

    /// Actions that take all files of the snapshot away for which `gone` holds.
    pub(crate) fn removals(&self, gone: impl Fn(&str) -> bool) -> Result<Vec<Action>> {
        let files = self.state()?.log_data();
        let removed = files
            .iter()
            .filter(|file| gone(file.object_store_path().as_ref()))
            .map(|file| Action::Remove(file.remove_action(true)))
            .collect();
        Ok(removed)
    }

    /// Commits `actions` on the snapshot in memory and moves it forward.
    ///
    /// `counter` is committed with them and is the guard of exactly-once: a commit made by
    /// somebody else on the same counter since this snapshot is [`Error::Race`].
    pub(crate) async fn commit(
        &mut self,
        actions: Vec<Action>,
        change: Change,
        counter: Option<(&str, i64)>,
        retries: Option<usize>,
    ) -> Result<i64> {
        let (mode, predicate) = match change {
            Change::Append => (SaveMode::Append, None),
            // Without a predicate Delta would let an appended file survive beside the rewrite.
            Change::Rewrite => (SaveMode::Overwrite, Some("true".to_owned())),
        };
        let mut properties = CommitProperties::default()
            .with_max_retries(retries.unwrap_or(RETRIES))
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false));
        if let Some((app, number)) = counter {
            properties = properties.with_application_transaction(Transaction::new(app, number));
        }
        let committed = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(
                Some(self.state()?),
                Arc::clone(&self.store),
                DeltaOperation::Write { mode, partition_by: None, predicate },
            )
            .await;
        let committed = match committed {
            Ok(committed) => committed,
            Err(DeltaTableError::Transaction {
                source: TransactionError::CommitConflict(_) | TransactionError::MaxCommitAttempts(_),
            }) => return Err(Error::Race { table: self.name.clone() }),
            Err(error) => return Err(self.failed("committing")(error)),
        };
        let version = committed.version();
        self.state = Some(committed.snapshot());
        if (version + 1).is_multiple_of(CHECKPOINT_EVERY) {
            self.checkpoint().await;
        }
        Ok(signed(version))
    }

    /// The commit is done by then: a checkpoint that fails only makes the next opening slower.
    async fn checkpoint(&self) {
        let mut table = DeltaTable::new(Arc::clone(&self.store));
        table.state.clone_from(&self.state);
        if let Err(error) = checkpoints::create_checkpoint(&table, None).await {
            tracing::warn!(table = self.name, %error, "no checkpoint was written");
        }
    }
}

/// The files of a state, in the order they were written.
pub(crate) fn files_of(state: &DeltaTableState) -> Vec<DataFile> {
    let mut files: Vec<DataFile> = state
        .log_data()
        .iter()
        .map(|file| {
            let rows = file.num_records().and_then(|rows| u64::try_from(rows).ok());
            DataFile {
                path: file.object_store_path().to_string(),
                bytes: u64::try_from(file.size()).unwrap_or(0),
                rows: rows.unwrap_or(0),
                written_ms: file.modification_time(),
                stats: file.stats().unwrap_or_default(),
            }
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
