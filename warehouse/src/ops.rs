//! What the house did, as tables: runs, steps, rejects, check results, exports.
//!
//! Every table has a declared schema and key. An append adds rows; an upsert puts rows in place
//! of those with the same key. Both are one commit each, and safe beside other writers.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use datafusion::prelude::{ident, lit};
use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::xxh3_128;

use crate::landing::Rejected;
use crate::table::{Table, TableName, widened};
use crate::{Error, Result, Warehouse};

/// A table of the schema `ops`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpsTable {
    /// One row per run of a job.
    Runs,
    /// One row per step and run.
    Steps,
    /// Records that did not fit, whole.
    Rejects,
    /// One row per check, model and run.
    CheckResults,
    /// One row per destination, export and key: what was last acknowledged.
    ExportState,
}

/// Views over the tables above that queries know as `ops.<name>`: name and SQL.
pub const VIEWS: &[(&str, &str)] =
    &[("export_errors", "select * from ops.export_state where error_code is not null")];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Time,
    Count,
}

use Kind::{Count, Text, Time};

impl OpsTable {
    /// All of them.
    pub const ALL: &[Self] =
        &[Self::Runs, Self::Steps, Self::Rejects, Self::CheckResults, Self::ExportState];

    /// The name below `ops.`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Steps => "steps",
            Self::Rejects => "rejects",
            Self::CheckResults => "check_results",
            Self::ExportState => "export_state",
        }
    }

    /// The columns that name a row.
    pub fn key(self) -> &'static [&'static str] {
        match self {
            Self::Runs => &["run_id"],
            Self::Steps => &["run_id", "step"],
            Self::Rejects => &["reject_id"],
            Self::CheckResults => &["run_id", "model", "check_name"],
            Self::ExportState => &["key_hash", "destination", "export"],
        }
    }

    fn columns(self) -> &'static [(&'static str, Kind)] {
        match self {
            Self::Runs => &[
                ("run_id", Text),
                ("job", Text),
                ("started_at", Time),
                ("finished_at", Time),
                ("status", Text),
                ("error", Text),
                ("version", Text),
                ("steps_total", Count),
                ("steps_failed", Count),
                ("steps_skipped", Count),
            ],
            Self::Steps => &[
                ("run_id", Text),
                ("step", Text),
                ("kind", Text),
                ("name", Text),
                ("started_at", Time),
                ("finished_at", Time),
                ("status", Text),
                ("attempt", Count),
                ("rows", Count),
                ("bytes", Count),
                ("pages", Count),
                ("message", Text),
            ],
            Self::Rejects => &[
                ("reject_id", Text),
                ("source", Text),
                ("stream", Text),
                ("run_id", Text),
                ("rejected_at", Time),
                ("pointer", Text),
                ("reason", Text),
                ("record", Text),
            ],
            Self::CheckResults => &[
                ("run_id", Text),
                ("model", Text),
                ("check_name", Text),
                ("kind", Text),
                ("severity", Text),
                ("status", Text),
                ("failed_rows", Count),
                ("checked_rows", Count),
                ("sample", Text),
                ("value", Text),
                ("detail", Text),
                ("environment", Text),
                ("checked_at", Time),
            ],
            Self::ExportState => &[
                ("destination", Text),
                ("export", Text),
                ("key_hash", Text),
                ("key", Text),
                ("payload_hash", Text),
                ("status", Text),
                ("job_id", Text),
                ("attempts", Count),
                ("error_code", Text),
                ("error_detail", Text),
                ("sent_at", Time),
                ("acknowledged_at", Time),
            ],
        }
    }

    /// The declared schema: text, `timestamp(us, UTC)` and 64-bit integers, all nullable.
    pub fn schema(self) -> SchemaRef {
        let fields = self.columns().iter().map(|(name, kind)| {
            let data_type = match kind {
                Text => DataType::Utf8,
                Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                Count => DataType::Int64,
            };
            Field::new(*name, data_type, true)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The table's name.
    pub fn table_name(self) -> TableName {
        TableName::ops(self.name())
    }
}

impl Warehouse {
    /// The handle of an ops table.
    pub fn ops_table(&self, table: OpsTable) -> Table {
        self.table(&table.table_name())
    }

    /// Something the engine can scan: the newest rows, or none while the table does not exist. A
    /// column that was declared later than the table was made is null.
    pub async fn ops_provider(&self, table: OpsTable) -> Result<Arc<dyn TableProvider>> {
        match self.ops_table(table).snapshot().await? {
            Some(snapshot) => {
                let name = table.table_name().to_string();
                widened(&name, snapshot.provider()?, &table.schema())
            }
            None => Ok(Arc::new(EmptyTable::new(table.schema()))),
        }
    }

    /// Appends rows. Columns are matched by name; one that the batch lacks is null.
    ///
    /// Fails with [`Error::Column`] for a column the table does not declare.
    pub async fn ops_append(&self, table: OpsTable, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batches = std::slice::from_ref(batch);
        let staged = self.ops_table(table).stage_batches(&table.schema(), batches).await?;
        staged.commit_append().await.map(drop)
    }

    /// Puts rows in place of those with the same key ([`OpsTable::key`]); of several rows with one
    /// key in `batch` the last counts.
    ///
    /// Fails with [`Error::Column`] for a column the table does not declare.
    pub async fn ops_upsert(&self, table: OpsTable, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = last_by_key(table, batch)?;
        let keys: Vec<String> = table.key().iter().map(|key| (*key).to_owned()).collect();
        let staged = self.ops_table(table).stage_batches(&table.schema(), &[batch]).await?;
        staged.commit_upsert(&keys).await.map(drop)
    }

    /// Appends those rejects that `ops.rejects` does not have; see [`crate::Landing::reject`].
    pub(crate) async fn append_rejects(
        &self,
        source: &str,
        stream: &str,
        rejects: &[Rejected],
        run_id: &str,
        at: DateTime<Utc>,
    ) -> Result<u64> {
        let table = self.ops_table(OpsTable::Rejects);
        let mut wanted: Vec<(String, &Rejected)> = Vec::new();
        let mut seen = FxHashSet::default();
        for reject in rejects {
            let id = reject_id(source, stream, &reject.record);
            if seen.insert(id.clone()) {
                wanted.push((id, reject));
            }
        }
        loop {
            let snapshot = table.snapshot().await?;
            if let Some(snapshot) = snapshot.as_ref().filter(|_| !wanted.is_empty()) {
                let known = self.reject_ids(snapshot.provider()?, source, stream).await?;
                wanted.retain(|(id, _)| !known.contains(id));
            }
            if wanted.is_empty() {
                return Ok(0);
            }
            let batch = reject_rows(source, stream, &wanted, run_id, at)?;
            let staged = table.stage_batches(&OpsTable::Rejects.schema(), &[batch]).await?;
            // Compare and swap: what is appended was checked against exactly this version.
            match staged.commit_append_at(snapshot.map(|snapshot| snapshot.version())).await {
                Ok(_) => return Ok(u64::try_from(wanted.len()).unwrap_or(u64::MAX)),
                Err(Error::Race { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn reject_ids(
        &self,
        rejects: Arc<dyn TableProvider>,
        source: &str,
        stream: &str,
    ) -> Result<FxHashSet<String>> {
        let failed = |error| Error::engine("reading `ops.rejects`")(error);
        let of_stream = ident("source").eq(lit(source)).and(ident("stream").eq(lit(stream)));
        let batches = self
            .session()?
            .read_table(rejects)
            .and_then(|frame| frame.filter(of_stream))
            .and_then(|frame| frame.select(vec![ident("reject_id")]))
            .map_err(failed)?
            .collect()
            .await
            .map_err(failed)?;
        let mut ids = FxHashSet::default();
        for batch in &batches {
            for column in batch.columns() {
                ids.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
            }
        }
        Ok(ids)
    }
}

/// A reject is known by its source, stream and bytes.
fn reject_id(source: &str, stream: &str, record: &str) -> String {
    format!("{:032x}", xxh3_128(format!("{source}\0{stream}\0{record}").as_bytes()))
}

fn reject_rows(
    source: &str,
    stream: &str,
    rejects: &[(String, &Rejected)],
    run_id: &str,
    at: DateTime<Utc>,
) -> Result<RecordBatch> {
    let rows = rejects.len();
    let constant = |text| StringArray::from_iter_values(std::iter::repeat_n(text, rows));
    let texts = |text: fn(&Rejected) -> &str| {
        StringArray::from_iter_values(rejects.iter().map(|(_, reject)| text(reject)))
    };
    let at =
        TimestampMicrosecondArray::from_value(at.timestamp_micros(), rows).with_timezone("UTC");
    RecordBatch::try_new(
        OpsTable::Rejects.schema(),
        vec![
            Arc::new(StringArray::from_iter_values(rejects.iter().map(|(id, _)| id))),
            Arc::new(constant(source)),
            Arc::new(constant(stream)),
            Arc::new(constant(run_id)),
            Arc::new(at),
            Arc::new(texts(|reject| &reject.pointer)),
            Arc::new(texts(|reject| &reject.reason)),
            Arc::new(texts(|reject| &reject.record)),
        ],
    )
    .map_err(Error::arrow("building rows of `ops.rejects`"))
}

fn last_by_key(table: OpsTable, batch: &RecordBatch) -> Result<RecordBatch> {
    let name = table.table_name().to_string();
    let batch = crate::table::fit(&name, batch, &table.schema())?;
    let failed = || Error::arrow(format!("finding the keys of `{name}`"));
    let columns: Vec<_> =
        table.key().iter().filter_map(|key| batch.column_by_name(key)).cloned().collect();
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let rows = RowConverter::new(fields)
        .and_then(|converter| converter.convert_columns(&columns))
        .map_err(failed())?;
    let last: FxHashMap<&[u8], usize> =
        (0..rows.num_rows()).map(|row| (rows.row(row).data(), row)).collect();
    let mask: BooleanArray = (0..rows.num_rows())
        .map(|row| Some(last.get(rows.row(row).data()) == Some(&row)))
        .collect();
    filter_record_batch(&batch, &mask).map_err(failed())
}

#[cfg(test)]
mod tests;
