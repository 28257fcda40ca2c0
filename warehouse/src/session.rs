//! The query engine's settings, in one place.
//!
//! Without them money turns to float (`parse_float_as_decimal`), days fall on the wrong date
//! (`time_zone`), and joins die: a hash join never spills its build side, so joins are
//! sort-merge joins, which needs at least two partitions (with one, the planner picks hash anyway).

mod one_row;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use url::Url;

use crate::store::Store;
use crate::{Error, Result};

/// What the engine may use.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of memory for the whole process; the engine's pool gets half of it, since buffers
    /// outside the pool were measured at up to the pool's size.
    pub memory_bytes: usize,
    /// Parallel streams of a query; at least two are used.
    pub partitions: usize,
    /// Where to spill; the system's temporary folder when `None`.
    pub spill_dir: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { memory_bytes: 2 << 30, partitions: 2, spill_dir: None }
    }
}

/// The memory pool, the spill files and the registered store, shared by all sessions.
pub(crate) fn runtime(store: &Store, options: &Options) -> Result<Arc<RuntimeEnv>> {
    let pool = FairSpillPool::new(options.memory_bytes / 2);
    let named = NonZeroUsize::new(5).unwrap_or(NonZeroUsize::MIN);
    let mut disk = DiskManagerBuilder::default();
    if let Some(dir) = &options.spill_dir {
        disk.set_mode(DiskManagerMode::Directories(vec![dir.clone()]));
    }
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(pool, named)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(Error::engine("setting up memory and spill files"))?;
    runtime.register_object_store(&engine_url(store.root()), Arc::clone(store.whole()));
    Ok(runtime)
}

/// The engine knows stores by scheme and host.
fn engine_url(root: &Url) -> Url {
    let mut url = root.clone();
    url.set_path("/");
    url
}

/// A session with the house's settings.
pub(crate) fn context(runtime: &Arc<RuntimeEnv>, options: &Options) -> Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_target_partitions(options.partitions.max(2))
        .with_batch_size(32_768)
        .with_information_schema(true);
    for (key, value) in [
        ("datafusion.execution.parquet.schema_force_view_types", "false"),
        ("datafusion.execution.time_zone", "UTC"),
        ("datafusion.sql_parser.collect_spans", "true"),
        ("datafusion.sql_parser.dialect", "PostgreSQL"),
        ("datafusion.sql_parser.map_string_types_to_utf8view", "false"),
        ("datafusion.sql_parser.parse_float_as_decimal", "true"),
        ("datafusion.optimizer.prefer_hash_join", "false"),
    ] {
        config.options_mut().set(key, value).map_err(Error::engine(format!("setting `{key}`")))?;
    }
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::clone(runtime))
        .with_default_features()
        .with_optimizer_rules(one_row::rules())
        .build();
    Ok(SessionContext::new_with_state(state))
}
