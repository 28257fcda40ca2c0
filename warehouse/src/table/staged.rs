//! Files that are written but not yet part of a table, and the three ways they become part of it.
//!
//! Each way is one Delta commit. Replace and upsert are computed against the newest snapshot and
//! computed again when another writer was first; nobody's rows get lost in between. Staged files
//! that are dropped or survive a crash are garbage that no reader sees.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use deltalake::kernel::Action;
use uuid::Uuid;

use super::files::DataFile;
use super::hash::Bag;
use super::log::{Change, Log, files_of};
use super::rewrite::Stays;
use super::snapshot::provider;
use super::step::Step;
use super::types::merge;
use super::{Table, remove};
use crate::release::TableAt;
use crate::{Error, Result};

/// With more files than this below [`SMALL_FILE_BYTES`], an upsert gathers all those.
const SMALL_FILES: usize = 24;
const SMALL_FILE_BYTES: u64 = 1 << 20;

/// How often a rewrite is computed anew after losing a race.
const REWRITES: u64 = 60;

/// Written, not visible. Commit it or discard it; dropping it leaves garbage files.
#[derive(Debug)]
#[must_use = "staged files become visible only by a commit"]
pub struct Staged {
    table: Table,
    schema: SchemaRef,
    files: Vec<DataFile>,
    /// What the staged rows hold, where it was counted.
    bag: Option<Bag>,
    /// What stays of the version that they replace a part of.
    stays: Stays,
}

impl Staged {
    pub(crate) fn new(table: Table, schema: SchemaRef, files: Vec<DataFile>) -> Self {
        Self { table, schema, files, bag: None, stays: Stays::default() }
    }

    pub(crate) fn counted(self, bag: Bag) -> Self {
        Self { bag: Some(bag), ..self }
    }

    /// The same rows read as a schema that has more columns.
    pub(crate) fn with_schema(self, schema: SchemaRef) -> Self {
        Self { schema, ..self }
    }

    /// Both together; what stays beside the first stays.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.bag = self.bag.zip(other.bag).map(|(a, b)| a.plus(b));
        self.files.extend(other.files);
        self
    }

    /// What the staged rows hold, where it was counted.
    pub(crate) fn bag(&self) -> Option<Bag> {
        self.bag
    }

    /// Puts what stays of a version beside the staged rows.
    pub(crate) fn beside(self, stays: Stays) -> Self {
        Self { stays, ..self }
    }

    /// The rows that stay of the version that the staged ones replace a part of.
    pub(crate) fn standing(&self) -> Result<Option<Arc<dyn TableProvider>>> {
        let files = self.stays.files();
        if files.is_empty() {
            return Ok(None);
        }
        self.provider_of(&self.schema, &files).map(Some)
    }

    /// The table they are meant for.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Rows written.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Bytes written.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The stored schema.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Something the engine can scan: exactly the staged rows, for checks before the commit.
    pub fn provider(&self) -> Result<Arc<dyn TableProvider>> {
        self.provider_of(&self.schema, &self.files)
    }

    fn provider_of(
        &self,
        schema: &SchemaRef,
        files: &[DataFile],
    ) -> Result<Arc<dyn TableProvider>> {
        let name = self.table.name();
        let ground = self.table.ground();
        let url = ground.store.url_at(&name.location());
        provider(&name.to_string(), ground, &url, schema, files)
    }

    fn additions(&self) -> impl Iterator<Item = Action> + '_ {
        self.files.iter().map(|file| Action::Add(file.add()))
    }

    /// Removes the files; the table stays as it is.
    pub async fn discard(self) {
        remove(&self.table.objects(), &self.files).await;
        self.stays.discard(&self.table).await;
    }

    /// Makes the staged rows, and what stays beside them, the whole table, its schema included,
    /// whatever was committed since. Returns the new version.
    ///
    /// Of two replacements at once the later wins, whole. A file of an older version that is to
    /// stay and was removed meanwhile comes back.
    pub async fn commit_replace(self) -> Result<i64> {
        let mut log = self.table.log().lock().await;
        log.create(&self.schema).await?;
        for attempt in 0..REWRITES {
            let stays = self.stays.files();
            let mut actions = log.removals(|path| stays.iter().all(|file| file.path != path))?;
            if let Some(state) = log.current()
                && log.schema_of(state)? != self.schema
            {
                actions.push(log.new_schema(&self.schema)?);
            }
            let there = log.current().map(files_of).unwrap_or_default();
            let there: HashSet<&str> = there.iter().map(|file| file.path.as_str()).collect();
            let back = stays.iter().filter(|file| !there.contains(file.path.as_str()));
            actions.extend(back.map(|file| Action::Add(file.add())));
            actions.extend(self.additions());
            match log.commit(actions, Change::Rewrite, None, None).await {
                Err(Error::Race { .. }) => {
                    again(&mut log, attempt).await?;
                    if let Some(version) = self.landed_in(&log) {
                        return Ok(version);
                    }
                }
                other => return other,
            }
        }
        Err(Error::Race { table: self.table.name().to_string() })
    }

    /// Like [`Staged::commit_replace`]; says where the table stands then, and how it came there
    /// from `from`, the version that what stays is of.
    pub(crate) async fn commit_step(
        self,
        from: Option<&TableAt>,
    ) -> Result<(TableAt, Option<Step>)> {
        let (table, files, gone) = (self.table.clone(), self.files.clone(), self.stays.gone());
        let version = self.commit_replace().await?;
        let at = table.snapshot_at(version).await?.at();
        let step = from.map(|from| Step::between(from, &at, gone, &files));
        Ok((at, step))
    }

    /// Adds the staged rows to the table. Returns the new version.
    ///
    /// Columns that the table lacks are added to it, null in older rows. Fails with
    /// [`Error::Column`] when a column changed its type.
    pub async fn commit_append(self) -> Result<i64> {
        let mut log = self.table.log().lock().await;
        log.create(&self.schema).await?;
        for attempt in 0..REWRITES {
            let mut actions: Vec<Action> = Vec::new();
            if let Some(state) = log.current()
                && let Some(wider) =
                    merge(&self.table.name().to_string(), &*log.schema_of(state)?, &self.schema)?
            {
                actions.push(log.new_schema(&wider)?);
            }
            actions.extend(self.additions());
            match log.commit(actions, Change::Append, None, None).await {
                Err(Error::Race { .. }) => {
                    again(&mut log, attempt).await?;
                    if let Some(version) = self.landed_in(&log) {
                        return Ok(version);
                    }
                }
                other => return other,
            }
        }
        Err(Error::Race { table: self.table.name().to_string() })
    }

    /// Adds the staged rows only if the table is still at `version`; else [`Error::Race`].
    pub(crate) async fn commit_append_at(self, version: Option<i64>) -> Result<i64> {
        let mut log = self.table.log().lock().await;
        log.create(&self.schema).await?;
        let race = || Error::Race { table: self.table.name().to_string() };
        // Creating it made version 0, which is what a caller that saw no table expects.
        if log.version() != version.or(Some(0)) {
            return Err(race());
        }
        let actions = self.additions().collect();
        match log.commit(actions, Change::Append, None, Some(0)).await {
            Err(Error::Race { .. }) => {
                log.refresh().await?;
                self.landed_in(&log).ok_or_else(race)
            }
            other => other,
        }
    }

    /// The version when the staged files are in the table already.
    ///
    /// An answer lost on the way makes the client put the commit again and meet its own: that
    /// looks like a race, and the files must then be neither added again nor deleted.
    fn landed_in(&self, log: &Log) -> Option<i64> {
        let first = self.files.first()?;
        let standing = files_of(log.current()?);
        standing.iter().any(|file| file.path == first.path).then(|| log.version())?
    }

    /// Puts the staged rows in place of the rows with the same key. Returns the new version.
    ///
    /// Keys must be unique and not null within the staged rows. Files that cannot hold a key (by
    /// the statistics of the first key column) are not touched; the others are rewritten without
    /// the replaced rows.
    pub async fn commit_upsert(self, keys: &[String]) -> Result<i64> {
        let name = self.table.name().to_string();
        let mut log = self.table.log().lock().await;
        log.create(&self.schema).await?;
        for attempt in 0..REWRITES {
            let Some(state) = log.current() else { break };
            let schema = log.schema_of(state)?;
            let wider = merge(&name, &schema, &self.schema)?;
            let files = files_of(state);
            let touched = touched(&files, &self.files, keys.first().map(String::as_str));
            let kept = if touched.is_empty() {
                Vec::new()
            } else {
                self.survivors(&schema, &touched, keys).await?
            };
            let mut actions = log.removals(|path| touched.iter().any(|file| file.path == path))?;
            if let Some(wider) = &wider {
                actions.push(log.new_schema(wider)?);
            }
            actions.extend(kept.iter().map(|file| Action::Add(file.add())));
            actions.extend(self.additions());
            match log.commit(actions, Change::Rewrite, None, None).await {
                Err(Error::Race { .. }) => {
                    again(&mut log, attempt).await?;
                    if let Some(version) = self.landed_in(&log) {
                        return Ok(version);
                    }
                    remove(&self.table.objects(), &kept).await;
                }
                other => return other,
            }
        }
        Err(Error::Race { table: name })
    }

    /// The rows of `touched` whose key is not staged, written to new files.
    async fn survivors(
        &self,
        schema: &SchemaRef,
        touched: &[DataFile],
        keys: &[String],
    ) -> Result<Vec<DataFile>> {
        let name = self.table.name().to_string();
        let failed = |error| Error::engine(format!("replacing rows of `{name}`"))(error);
        let session = self.table.ground().session()?;
        session.register_table("standing", self.provider_of(schema, touched)?).map_err(failed)?;
        session.register_table("staged", self.provider()?).map_err(failed)?;
        let same = keys.iter().map(|key| {
            let key = key.replace('"', "\"\"");
            format!("standing.\"{key}\" = staged.\"{key}\"")
        });
        let same = same.collect::<Vec<_>>().join(" and ");
        let query = format!("select * from standing left anti join staged on {same}");
        let rows = session.sql(&query).await.map_err(failed)?;
        let stream = rows.execute_stream().await.map_err(failed)?;
        let (files, _) = super::drain(name.clone(), self.table.writer(schema), stream).await?;
        Ok(files)
    }
}

/// Waits a random moment that grows with each lost race, so that a slow writer gets its turn, and
/// looks again.
async fn again(log: &mut Log, attempt: u64) -> Result<()> {
    let most = (attempt + 1).saturating_mul(10).min(1000);
    let (random, _) = Uuid::new_v4().as_u64_pair();
    tokio::time::sleep(Duration::from_millis(random % most)).await;
    log.refresh().await.map(drop)
}

/// The files that an upsert has to rewrite.
fn touched(standing: &[DataFile], staged: &[DataFile], key: Option<&str>) -> Vec<DataFile> {
    let Some(key) = key else { return Vec::new() };
    let range = staged
        .iter()
        .map(|file| file.text_bounds(key))
        .reduce(|a, b| {
            let ((a_low, a_high), (b_low, b_high)) = (a?, b?);
            Some((a_low.min(b_low), a_high.max(b_high)))
        })
        .flatten();
    let small = standing.iter().filter(|file| file.bytes < SMALL_FILE_BYTES).count();
    let compact = small > SMALL_FILES;
    let hit = |file: &&DataFile| {
        let overlaps = match (&range, file.text_bounds(key)) {
            (Some((low, high)), Some((least, most))) => *low <= most && least <= *high,
            _ => !staged.is_empty(), // unknown bounds: it may hold any key
        };
        overlaps || (compact && file.bytes < SMALL_FILE_BYTES)
    };
    standing.iter().filter(hit).cloned().collect()
}
