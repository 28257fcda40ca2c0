//! Landing: rows and the bookmark that follows them become visible in one commit, or neither does.
//!
//! 1. The rejects of the page are appended to `ops.rejects` ([`Landing::reject`]).
//! 2. The bookmark's text is written under a number N that nobody else can have.
//! 3. One Delta commit adds the rows and sets `txn(<source>.<stream>, N)`.
//!
//! A crash before 3 leaves an object nobody names and files nobody lists: the next run reads the
//! same page again. A crash after 3 has moved on. Raw is append-only; of a record that did not
//! change (same `_row_hash` as its newest version) nothing is appended, so a page that is read
//! twice lands once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::row::{RowConverter, SortField};
use deltalake::kernel::Action;
use futures::TryStreamExt as _;
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::bookmark::{Bookmarks, Saved};
use crate::table::{Change, DataFile, Log, Table, TableName, files_of, merge, stored_schema};
use crate::{Error, Result, Warehouse};

/// System column: when the page was read; strictly later from one landing to the next.
pub(crate) const EXTRACTED_AT: &str = "_extracted_at";
/// System column: the run that landed the row.
pub(crate) const RUN_ID: &str = "_run_id";
/// Comes with the rows: a hash over the record's bytes.
pub(crate) const ROW_HASH: &str = "_row_hash";

/// What is landed where.
#[derive(Debug, Clone)]
pub struct LandingSpec {
    /// As `shopify`.
    pub source: String,
    /// As `orders`.
    pub stream: String,
    /// The columns that name a record; empty when every row is its own.
    pub key: Vec<String>,
    /// The columns of the pages (`_extra` and `_row_hash` among them).
    pub schema: SchemaRef,
}

/// What one landing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landed {
    /// Rows appended.
    pub rows: u64,
    /// Rows dropped because the newest version of their key is the same, or because a later row
    /// of the same page has their key.
    pub unchanged: u64,
    /// The raw table's version afterwards.
    pub version: i64,
}

/// A record that does not fit its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The record's JSON, whole.
    pub record: String,
    /// JSON pointer of what does not fit.
    pub pointer: String,
    /// Why.
    pub reason: String,
}

/// One stream being landed by one run. Two at once are safe: the slower gets [`Error::Race`].
#[derive(Debug)]
pub struct Landing {
    warehouse: Warehouse,
    spec: LandingSpec,
    table: Table,
    /// Its own view of the log: a commit of somebody else must look like a conflict, even when
    /// that somebody is another landing in this process.
    log: Log,
    schema: SchemaRef,
    app: String,
    number: Option<i64>,
    bookmark: Option<String>,
    bookmarks: Bookmarks,
    newest: Option<Newest>,
}

/// The newest version of each key in the table.
#[derive(Debug)]
struct Newest {
    /// Hash of the key -> hash of the row.
    rows: FxHashMap<u64, i64>,
    /// The latest `_extracted_at`, microseconds.
    at: i64,
}

impl Warehouse {
    /// Opens a stream for landing: makes its raw table, or adds the columns it lacks, and finds
    /// the true bookmark.
    ///
    /// Fails with [`Error::Column`] when a column changed its type.
    pub async fn landing(&self, spec: &LandingSpec) -> Result<Landing> {
        let name = TableName::raw(&spec.source, &spec.stream);
        let text = name.to_string();
        let wanted = stored_schema(&text, &landed_schema(&spec.schema))?;
        if let Some(key) = spec.key.iter().find(|key| wanted.index_of(key).is_err()) {
            return Err(Error::Column {
                table: text,
                column: key.clone(),
                reason: "it is the key, but no column".to_owned(),
            });
        }
        let table = self.table(&name);
        let mut log = Log::new(text.clone(), self.store().log_store(&name.location()));
        log.create(&wanted).await?;
        let schema = loop {
            let Some(state) = log.current() else {
                return Err(Error::Missing { table: text, version: None });
            };
            let standing = log.schema_of(state)?;
            let Some(wider) = merge(&text, &standing, &wanted)? else { break standing };
            let action = log.new_schema(&wider)?;
            match log.commit(vec![action], Change::Append, None, None).await {
                Ok(_) => break wider,
                Err(Error::Race { .. }) => log.refresh().await?,
                Err(error) => return Err(error),
            };
        };
        let app = format!("{}.{}", spec.source, spec.stream);
        let number = log.counter(&app).await?;
        let objects = Arc::clone(self.store().objects());
        let bookmarks =
            Bookmarks::open(objects, &spec.source, &spec.stream, number.unwrap_or(0)).await?;
        let mut landing = Landing {
            warehouse: self.clone(),
            spec: spec.clone(),
            table,
            log,
            schema,
            app,
            number,
            bookmark: None,
            bookmarks,
            newest: None,
        };
        landing.bookmark = landing.read_bookmark().await?;
        Ok(landing)
    }
}

/// The columns of a raw table: those of the pages, and the system's.
fn landed_schema(schema: &SchemaRef) -> Schema {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    fields.push(Arc::new(Field::new(EXTRACTED_AT, time, false)));
    fields.push(Arc::new(Field::new(RUN_ID, DataType::Utf8, false)));
    Schema::new(fields)
}

impl Landing {
    /// Where the stream goes on: the bookmark that the raw table's own `txn` names; `None` at the
    /// very start.
    pub fn bookmark(&self) -> Option<&str> {
        self.bookmark.as_deref()
    }

    /// The raw table's version as this landing knows it.
    pub fn version(&self) -> i64 {
        self.log.version().unwrap_or_default()
    }

    async fn read_bookmark(&self) -> Result<Option<String>> {
        let Some(number) = self.number else { return Ok(None) };
        let saved = self.bookmarks.read(number).await?;
        if saved.is_none() {
            // Starting over is safe, if slow: rows that are there already are not landed again.
            tracing::warn!(stream = self.app, number, "the bookmark is gone; starting over");
        }
        Ok(saved.map(|saved| saved.bookmark))
    }

    /// Appends the misfits of a page to `ops.rejects`. Call it before [`Landing::land`] of the
    /// same page. Returns how many were new.
    ///
    /// In this order nothing is lost and nothing doubled: when the run dies between the two, the
    /// bookmark still stands before the page, the page is read again, and a reject that is there
    /// already (same source, stream and record) is not added. The other way round, the bookmark
    /// would have moved past rejects that were never written.
    pub async fn reject(
        &self,
        rejects: &[Rejected],
        run_id: &str,
        at: DateTime<Utc>,
    ) -> Result<u64> {
        self.warehouse
            .append_rejects(&self.spec.source, &self.spec.stream, rejects, run_id, at)
            .await
    }

    /// Lands a page, or several: appends the rows that changed and moves the bookmark, in one
    /// commit. With nothing to append and the bookmark where it was, nothing is written at all.
    ///
    /// Of rows with one key only the last is kept. `extracted_at` is moved up where needed, so
    /// that it grows from one landing of the stream to the next.
    ///
    /// Fails with [`Error::Race`] when another run landed this stream since; nothing of this page
    /// is visible then, and the landing stands at that run's bookmark.
    pub async fn land(
        &mut self,
        rows: &[RecordBatch],
        bookmark: &str,
        run_id: &str,
        extracted_at: DateTime<Utc>,
    ) -> Result<Landed> {
        let given: usize = rows.iter().map(RecordBatch::num_rows).sum();
        let mut fresh = Fresh::default();
        let mut at = extracted_at.timestamp_micros();
        if given > 0 {
            let newest = match self.newest.take() {
                Some(newest) => newest,
                None => self.load_newest().await?,
            };
            at = at.max(newest.at.saturating_add(1));
            let picked = pick(&self.app, &self.schema, &self.spec.key, rows, &newest);
            self.newest = Some(newest);
            fresh = picked?;
        }
        let appended: usize = fresh.batches.iter().map(RecordBatch::num_rows).sum();
        let unchanged = count(given.saturating_sub(appended));
        if appended == 0 && self.bookmark.as_deref() == Some(bookmark) {
            return Ok(Landed { rows: 0, unchanged, version: self.version() });
        }
        let files = self.write(&fresh.batches, run_id, at).await?;
        let saved =
            Saved { bookmark: bookmark.to_owned(), run_id: run_id.to_owned(), at: extracted_at };
        // After a failure the files stay: the commit may have gone through without its answer, and
        // garbage costs less than a table whose file is gone.
        let number = self.bookmarks.write(&saved).await?;
        let version = self.commit(&files, number).await?;
        self.number = Some(number);
        self.bookmark = Some(bookmark.to_owned());
        if let Some(newest) = &mut self.newest {
            newest.rows.extend(fresh.keys);
            newest.at = newest.at.max(if appended > 0 { at } else { newest.at });
        }
        Ok(Landed { rows: count(appended), unchanged, version })
    }

    async fn write(&self, batches: &[RecordBatch], run_id: &str, at: i64) -> Result<Vec<DataFile>> {
        let mut writer = self.table.writer(&self.schema);
        for batch in batches {
            let written = match with_system_columns(batch, run_id, at) {
                Ok(batch) => writer.write(&batch).await,
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                writer.abandon().await;
                return Err(error);
            }
        }
        writer.finish().await
    }

    async fn commit(&mut self, files: &[DataFile], number: i64) -> Result<i64> {
        loop {
            let actions = files.iter().map(|file| Action::Add(file.add())).collect();
            let counter = Some((self.app.as_str(), number));
            match self.log.commit(actions, Change::Append, counter, None).await {
                Err(Error::Race { table }) => {
                    self.log.refresh().await?;
                    let standing = self.log.counter(&self.app).await?;
                    if standing == Some(number) {
                        // The answer to our own put was lost, the put was not.
                        return Ok(self.version());
                    }
                    if standing != self.number {
                        self.number = standing;
                        self.newest = None;
                        self.bookmark = self.read_bookmark().await?;
                        return Err(Error::Race { table });
                    }
                    // Not a landing: the files were rewritten or a column was added. Once more.
                }
                other => return other,
            }
        }
    }

    /// Reads the newest hash of each key; three columns of the table.
    async fn load_newest(&self) -> Result<Newest> {
        let mut newest = Newest { rows: FxHashMap::default(), at: i64::MIN };
        let Some(state) = self.log.current() else { return Ok(newest) };
        let files = files_of(state);
        if files.is_empty() {
            return Ok(newest);
        }
        let doing = || format!("reading the newest versions of `{}`", self.app);
        let failed = |error| Error::engine(doing())(error);
        let ground = self.table.ground();
        let url = ground.store.url_at(&self.table.name().location());
        let provider = crate::table::provider(&self.app, ground, &url, &self.schema, &files)?;
        let session = self.warehouse.session()?;
        let mut columns: Vec<&str> = self.spec.key.iter().map(String::as_str).collect();
        columns.extend([ROW_HASH, EXTRACTED_AT]);
        let quoted = |name: &&str| datafusion::prelude::ident(*name);
        let wanted: Vec<_> =
            columns.iter().filter(|name| self.schema.index_of(name).is_ok()).map(quoted).collect();
        let frame =
            session.read_table(provider).and_then(|frame| frame.select(wanted)).map_err(failed)?;
        let mut stream = frame.execute_stream().await.map_err(failed)?;
        let mut times: FxHashMap<u64, i64> = FxHashMap::default();
        while let Some(batch) = stream.try_next().await.map_err(failed)? {
            let Some(at) = batch.column_by_name(EXTRACTED_AT) else { continue };
            let at = at.as_primitive::<TimestampMicrosecondType>();
            newest.at = at.values().iter().copied().fold(newest.at, i64::max);
            let (Some(keys), Some(hashes)) =
                (key_hashes(&self.app, &self.spec.key, &batch)?, row_hashes(&batch))
            else {
                continue;
            };
            for ((key, hash), at) in keys.into_iter().zip(hashes.values()).zip(at.values()) {
                let known = times.entry(key).or_insert(i64::MIN);
                if *at >= *known {
                    *known = *at;
                    newest.rows.insert(key, *hash);
                }
            }
        }
        Ok(newest)
    }
}

/// The rows to append, and what they make the newest.
#[derive(Debug, Default)]
struct Fresh {
    batches: Vec<RecordBatch>,
    keys: Vec<(u64, i64)>,
}

fn pick(
    table: &str,
    schema: &SchemaRef,
    key: &[String],
    rows: &[RecordBatch],
    newest: &Newest,
) -> Result<Fresh> {
    // The table's types first: a key must hash alike here and when it is read back.
    let page = page_schema(schema);
    let fitted = rows.iter().map(|batch| crate::table::fit(table, batch, &page));
    let fitted = fitted.collect::<Result<Vec<_>>>()?;
    let mut hashed = Vec::with_capacity(fitted.len());
    let mut last: FxHashMap<u64, (usize, usize)> = FxHashMap::default();
    for (index, batch) in fitted.iter().enumerate() {
        let pair = key_hashes(table, key, batch)?.zip(row_hashes(batch).cloned());
        for (row, key) in pair.iter().flat_map(|(keys, _)| keys).enumerate() {
            last.insert(*key, (index, row));
        }
        hashed.push(pair);
    }
    let mut fresh = Fresh::default();
    for (index, (batch, pair)) in fitted.into_iter().zip(hashed).enumerate() {
        let Some((keys, hashes)) = pair else {
            fresh.batches.push(batch); // no key or no hash: every row is its own
            continue;
        };
        let mut kept = 0_usize;
        let mask: BooleanArray = keys
            .iter()
            .zip(hashes.values())
            .enumerate()
            .map(|(row, (key, hash))| {
                let keep =
                    last.get(key) == Some(&(index, row)) && newest.rows.get(key) != Some(hash);
                if keep {
                    fresh.keys.push((*key, *hash));
                    kept += 1;
                }
                Some(keep)
            })
            .collect();
        if kept == batch.num_rows() {
            fresh.batches.push(batch);
        } else if kept > 0 {
            let filtered = filter_record_batch(&batch, &mask);
            fresh.batches.push(filtered.map_err(Error::arrow("dropping unchanged rows"))?);
        }
    }
    Ok(fresh)
}

/// The table's columns without the system's own.
fn page_schema(schema: &SchemaRef) -> SchemaRef {
    let fields =
        schema.fields().iter().filter(|f| ![EXTRACTED_AT, RUN_ID].contains(&f.name().as_str()));
    Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()))
}

/// One hash a row over its key columns; `None` when there is no key.
fn key_hashes(table: &str, key: &[String], batch: &RecordBatch) -> Result<Option<Vec<u64>>> {
    if key.is_empty() {
        return Ok(None);
    }
    let columns: Vec<ArrayRef> =
        key.iter().filter_map(|name| batch.column_by_name(name)).cloned().collect();
    let failed = || Error::arrow(format!("hashing the keys of `{table}`"));
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(failed())?;
    let rows = converter.convert_columns(&columns).map_err(failed())?;
    Ok(Some(rows.iter().map(|row| xxh3_64(row.as_ref())).collect()))
}

fn row_hashes(batch: &RecordBatch) -> Option<&Int64Array> {
    batch.column_by_name(ROW_HASH)?.as_primitive_opt::<Int64Type>()
}

fn with_system_columns(batch: &RecordBatch, run_id: &str, at: i64) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let mut columns = batch.columns().to_vec();
    let times = TimestampMicrosecondArray::from_value(at, rows).with_timezone("UTC");
    columns.push(Arc::new(times));
    columns.push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(run_id, rows))));
    RecordBatch::try_new(Arc::new(landed_schema(&batch.schema())), columns)
        .map_err(Error::arrow("adding the system columns"))
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
