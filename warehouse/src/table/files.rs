//! Writing data files: zstd Parquet, named by time, described by its own footer.
//!
//! Delta trusts the statistics in its log and never checks them, so they are taken from the
//! footer that was written and from nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::{max, max_string, min, min_string, sum};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef,
    TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};
use deltalake::kernel::Add;
use deltalake::parquet::arrow::AsyncArrowWriter;
use deltalake::parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use deltalake::parquet::basic::{Compression, ZstdLevel};
use deltalake::parquet::errors::ParquetError;
use deltalake::parquet::file::metadata::ParquetMetaData;
use deltalake::parquet::file::properties::WriterProperties;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::hash::row_hashes;
use super::types::fit;
use crate::{Error, Result};

/// A file is closed when it holds this many bytes.
const TARGET_FILE_BYTES: usize = 128 << 20;
/// Rows of a row group: four of the engine's batches.
const ROW_GROUP_ROWS: usize = 131_072;
/// Bytes of a row group before it is flushed; bounds the writer's memory for wide nested rows.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A data file of a table: staged, or part of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Relative to the table.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) written_ms: i64,
    /// Delta's statistics as JSON.
    pub(crate) stats: String,
}

impl DataFile {
    pub(crate) fn add(&self) -> Add {
        Add {
            path: self.path.clone(),
            partition_values: HashMap::new(),
            size: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            modification_time: self.written_ms,
            data_change: true,
            stats: Some(self.stats.clone()),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        }
    }

    /// The smallest and the largest text of a column, where they are known.
    pub(super) fn text_bounds(&self, column: &str) -> Option<(String, String)> {
        let stats: Value = serde_json::from_str(&self.stats).ok()?;
        let text = |bound: &str| Some(stats.get(bound)?.get(column)?.as_str()?.to_owned());
        Some((text("minValues")?, text("maxValues")?))
    }
}

/// How rows are cut into files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    /// Columns in which the rows of a file are all alike; rows come sorted by them.
    pub(crate) partition_by: Vec<String>,
    /// A file is closed at this many rows, so that replacing a few rows rewrites little.
    pub(crate) file_rows: Option<u64>,
}

/// Writes batches into files that no reader sees until they are committed.
pub(crate) struct FileWriter {
    table: String,
    objects: Arc<dyn ObjectStore>,
    schema: SchemaRef,
    layout: Layout,
    /// Below the table; ends with a slash, or is empty.
    folder: &'static str,
    /// Hash of the open file's partition.
    partition: Option<u128>,
    open: Option<OpenFile>,
    done: Vec<DataFile>,
}

struct OpenFile {
    name: String,
    written_ms: i64,
    rows: u64,
    writer: AsyncArrowWriter<BufWriter>,
}

impl FileWriter {
    pub(crate) fn new(table: String, objects: Arc<dyn ObjectStore>, schema: SchemaRef) -> Self {
        Self {
            table,
            objects,
            schema,
            layout: Layout::default(),
            folder: "",
            partition: None,
            open: None,
            done: Vec::new(),
        }
    }

    /// Writes into a folder below the table.
    pub(super) fn below(self, folder: &'static str) -> Self {
        Self { folder, ..self }
    }

    pub(crate) fn laid_out(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// The stored schema of what is written.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = fit(&self.table, batch, &self.schema)?;
        if self.layout.partition_by.is_empty() {
            return self.write_some(&batch).await;
        }
        let columns = self.layout.partition_by.iter().filter_map(|name| batch.column_by_name(name));
        let columns: Vec<ArrayRef> = columns.cloned().collect();
        let hashes = row_hashes(&columns, batch.num_rows())
            .map_err(Error::engine(format!("cutting `{}` into files", self.table)))?;
        let mut start = 0;
        for run in hashes.chunk_by(|a, b| a == b) {
            if self.partition != run.first().copied() {
                self.close().await?;
                self.partition = run.first().copied();
            }
            self.write_some(&batch.slice(start, run.len())).await?;
            start += run.len();
        }
        Ok(())
    }

    async fn write_some(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.start()?,
        };
        open.writer.write(batch).await.map_err(|error| self.failed(error))?;
        open.rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        let full = open.writer.bytes_written() >= TARGET_FILE_BYTES
            || self.layout.file_rows.is_some_and(|most| open.rows >= most);
        self.open = Some(open);
        if full {
            self.close().await?;
        }
        Ok(())
    }

    fn start(&self) -> Result<OpenFile> {
        let id = Uuid::now_v7();
        let name = format!("{}part-{id}.zstd.parquet", self.folder);
        let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |time| time.to_unix());
        let millis = seconds.saturating_mul(1000).saturating_add(u64::from(nanos / 1_000_000));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .build();
        let sink = BufWriter::new(Arc::clone(&self.objects), Path::from(name.as_str()));
        let writer = AsyncArrowWriter::try_new(sink, Arc::clone(&self.schema), Some(properties))
            .map_err(|error| self.failed(error))?;
        let written_ms = i64::try_from(millis).unwrap_or(i64::MAX);
        Ok(OpenFile { name, written_ms, rows: 0, writer })
    }

    async fn close(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let footer = open.writer.finish().await.map_err(|error| self.failed(error))?;
        let rows = u64::try_from(footer.file_metadata().num_rows()).unwrap_or(0);
        self.done.push(DataFile {
            path: open.name,
            bytes: u64::try_from(open.writer.bytes_written()).unwrap_or(0),
            rows,
            written_ms: open.written_ms,
            stats: stats(&footer, &self.schema, rows),
        });
        Ok(())
    }

    /// Closes the last file and hands over all of them.
    pub(crate) async fn finish(mut self) -> Result<Vec<DataFile>> {
        self.close().await?;
        Ok(self.done)
    }

    /// Removes what was written; best effort, since unseen files are garbage anyway.
    pub(crate) async fn abandon(mut self) {
        if let Some(open) = self.open.take()
            && let Err(error) = open.writer.into_inner().abort().await
        {
            tracing::debug!(path = open.name, %error, "an unfinished upload was left behind");
        }
        remove(&self.objects, &self.done).await;
    }

    fn failed(&self, error: ParquetError) -> Error {
        Error::Engine {
            doing: format!("writing a file of `{}`", self.table),
            source: Box::new(error.into()),
        }
    }
}

/// Deletes files that no commit names; what cannot be deleted stays as garbage.
pub(crate) async fn remove(objects: &Arc<dyn ObjectStore>, files: &[DataFile]) {
    for file in files {
        if let Err(error) = objects.delete(&Path::from(file.path.as_str())).await {
            tracing::debug!(path = file.path, %error, "a staged file was left behind");
        }
    }
}

fn stats(footer: &ParquetMetaData, schema: &SchemaRef, rows: u64) -> String {
    let mut least = Map::new();
    let mut most = Map::new();
    let mut nulls = Map::new();
    let descriptor = footer.file_metadata().schema_descr();
    for field in schema.fields() {
        if field.data_type().is_nested() {
            continue; // only simple columns are skipped by
        }
        let Ok(converter) = StatisticsConverter::try_new(field.name(), schema, descriptor) else {
            continue;
        };
        let groups = || footer.row_groups().iter();
        if let Ok(counts) = converter.row_group_null_counts(groups())
            && counts.null_count() == 0
            && let Some(count) = sum(&counts)
        {
            nulls.insert(field.name().clone(), json!(count));
        }
        let bounds = converter
            .row_group_mins(groups())
            .and_then(|mins| converter.row_group_maxes(groups()).map(|maxes| (mins, maxes)));
        if let Ok((mins, maxes)) = bounds
            && let Some((low, high)) = bounds_of(&mins, &maxes)
        {
            least.insert(field.name().clone(), low);
            most.insert(field.name().clone(), high);
        }
    }
    json!({ "numRecords": rows, "minValues": least, "maxValues": most, "nullCount": nulls })
        .to_string()
}

/// The smallest of `mins` and the largest of `maxes` in Delta's JSON forms.
///
/// A group without bounds is one of nulls only, or one whose bounds the writer did not know; the
/// footer does not say which, so a column with such a group gets bounds only if none is missing.
fn bounds_of(mins: &ArrayRef, maxes: &ArrayRef) -> Option<(Value, Value)> {
    if mins.null_count() > 0 || maxes.null_count() > 0 {
        return None;
    }
    macro_rules! number {
        ($type:ty) => {
            Some((
                json!(min(mins.as_primitive::<$type>())?),
                json!(max(maxes.as_primitive::<$type>())?),
            ))
        };
    }
    match mins.data_type() {
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::Utf8 => Some((
            json!(min_string(mins.as_string::<i32>())?),
            json!(max_string(maxes.as_string::<i32>())?),
        )),
        DataType::Date32 => {
            let text = |days| Some(json!(date32_to_datetime(days)?.format("%Y-%m-%d").to_string()));
            let low = text(min(mins.as_primitive::<Date32Type>())?)?;
            Some((low, text(max(maxes.as_primitive::<Date32Type>())?)?))
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            let text = |micros| {
                let time = timestamp_us_to_datetime(micros)?;
                Some(json!(time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()))
            };
            let low = text(min(mins.as_primitive::<TimestampMicrosecondType>())?)?;
            Some((low, text(max(maxes.as_primitive::<TimestampMicrosecondType>())?)?))
        }
        DataType::Decimal128(_, scale) => {
            let low = decimal(min(mins.as_primitive::<Decimal128Type>())?, *scale)?;
            Some((low, decimal(max(maxes.as_primitive::<Decimal128Type>())?, *scale)?))
        }
        // Booleans and binaries prune nothing; floats have NaN.
        _ => None,
    }
}

/// A decimal as a JSON number, when readers that go through a double cannot get it wrong.
fn decimal(unscaled: i128, scale: i8) -> Option<Value> {
    if unscaled.unsigned_abs() > 1 << 50 {
        return None;
    }
    let scale = u32::try_from(scale).ok()?;
    let text = rust_decimal::Decimal::try_from_i128_with_scale(unscaled, scale).ok()?.to_string();
    serde_json::from_str(&text).ok()
}
