//! What became of every row that an export sent: `ops.export_state`, one row a key.
//!
//! A key is a hash of destination account and identifier, so the table that says who was reached
//! holds no address. A row is written before its job is waited for (`pending`) and again when the
//! vendor said how it ended.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, Result};
use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    },
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use chrono::{DateTime, Utc};
use connectors::{Delivery, Rejection};
use futures::TryStreamExt;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use warehouse::{OpsTable, Warehouse};

/// Goes into every payload hash: a change of the mapping's meaning sends every row again.
const MAPPING_VERSION: &str = "2";

/// Hash of destination account and identifier.
pub(super) type Key = u128;

/// How a row stands with the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// In a job that has not ended.
    Pending,
    /// It arrived.
    Acknowledged,
    /// The vendor refused it, with a reason.
    Rejected,
    /// Nobody knows; it goes out again.
    Lost,
}

impl Status {
    const ALL: [Self; 4] = [Self::Pending, Self::Acknowledged, Self::Rejected, Self::Lost];

    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Acknowledged => "acknowledged",
            Self::Rejected => "rejected",
            Self::Lost => "lost",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// The last that is known of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    pub(super) payload_hash: u64,
    pub(super) status: Status,
    pub(super) at: DateTime<Utc>,
    attempts: i64,
}

/// A new state of one row.
#[derive(Debug)]
pub(super) struct RowState {
    key: Key,
    payload_hash: u64,
    status: Status,
    job_id: Option<String>,
    rejection: Option<Rejection>,
}

impl RowState {
    pub(super) fn new(
        key: Key,
        payload_hash: u64,
        status: Status,
        job_id: Option<&str>,
        rejection: Option<&Rejection>,
    ) -> Self {
        Self {
            key,
            payload_hash,
            status,
            job_id: job_id.map(str::to_owned),
            rejection: rejection.cloned(),
        }
    }
}

/// The states of one export at one destination account.
#[derive(Debug)]
pub(super) struct Acknowledgements {
    warehouse: Warehouse,
    destination: String,
    export: String,
    now: DateTime<Utc>,
    last: FxHashMap<Key, Last>,
    pending: BTreeMap<String, Vec<(Key, u64)>>,
}

impl Acknowledgements {
    /// Reads what earlier runs wrote down.
    pub(super) async fn load(
        warehouse: &Warehouse,
        destination: &str,
        account: &str,
        export: &str,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let mut all = Self {
            warehouse: warehouse.clone(),
            destination: format!("{destination}/{account}"),
            export: export.to_owned(),
            now,
            last: FxHashMap::default(),
            pending: BTreeMap::new(),
        };
        let session = warehouse.session()?;
        session
            .register_table("export_state", warehouse.ops_provider(OpsTable::ExportState).await?)?;
        let mut rows = session
            .sql(
                "select key_hash, payload_hash, status, job_id, attempts, sent_at
                 from export_state where destination = $1 and export = $2",
            )
            .await?
            .with_param_values(vec![
                ("1", all.destination.as_str().into()),
                ("2", all.export.as_str().into()),
            ] as Vec<(&str, warehouse::ScalarValue)>)?
            .execute_stream()
            .await?;
        while let Some(batch) = rows.try_next().await? {
            all.remember(&batch).context("reading `ops.export_state`")?;
        }
        Ok(all)
    }

    fn remember(&mut self, batch: &RecordBatch) -> Result<()> {
        let text = |name: &str| -> Result<&StringArray> {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_string_opt())
                .with_context(|| format!("no text column `{name}`"))
        };
        let (keys, hashes) = (text("key_hash")?, text("payload_hash")?);
        let (statuses, jobs) = (text("status")?, text("job_id")?);
        let attempts = batch
            .column_by_name("attempts")
            .and_then(|column| column.as_primitive_opt::<Int64Type>())
            .context("no column `attempts`")?;
        let times = batch
            .column_by_name("sent_at")
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
            .context("no column `sent_at`")?;
        for row in 0..batch.num_rows() {
            let key = u128::from_str_radix(keys.value(row), 16)?;
            let payload_hash = u64::from_str_radix(hashes.value(row), 16)?;
            let status = Status::parse(statuses.value(row))
                .with_context(|| format!("unknown status `{}`", statuses.value(row)))?;
            let at = DateTime::from_timestamp_micros(times.value(row)).unwrap_or_default();
            if status == Status::Pending && jobs.is_valid(row) {
                let job = self.pending.entry(jobs.value(row).to_owned()).or_default();
                job.push((key, payload_hash));
            }
            let last = Last { payload_hash, status, at, attempts: attempts.value(row) };
            self.last.insert(key, last);
        }
        Ok(())
    }

    /// Jobs that an earlier run left behind, with their rows.
    pub(super) fn pending(&mut self) -> BTreeMap<String, Vec<(Key, u64)>> {
        std::mem::take(&mut self.pending)
    }

    /// What is known of a key.
    pub(super) fn last(&self, key: Key) -> Option<Last> {
        self.last.get(&key).copied()
    }

    /// The key of an identifier.
    pub(super) fn key(&self, identifier: &str) -> Key {
        let digest = Sha256::digest(format!("{}\0{identifier}", self.destination));
        first_bytes(&digest).map_or(0, u128::from_be_bytes)
    }

    /// Key and payload hash of a delivery.
    pub(super) fn fingerprint(&self, delivery: &Delivery) -> (Key, u64) {
        let digest = Sha256::digest(format!("{MAPPING_VERSION}\0{}", delivery.payload));
        (self.key(&delivery.identifier), first_bytes(&digest).map_or(0, u64::from_be_bytes))
    }

    /// Writes new states down, in one commit.
    pub(super) async fn record(&mut self, rows: Vec<RowState>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut attempts = Vec::with_capacity(rows.len());
        for row in &rows {
            let before = self.last.get(&row.key).filter(|l| l.payload_hash == row.payload_hash);
            let before = before.map_or(0, |last| last.attempts);
            // A try is counted when it goes out, not again when its job ends.
            let counted = row.status == Status::Pending || row.job_id.is_none();
            attempts.push(before + i64::from(counted));
        }
        let micros = self.now.timestamp_micros();
        let constant = |text: &str| {
            StringArray::from_iter_values(std::iter::repeat_n(text.to_owned(), rows.len()))
        };
        let acknowledged =
            rows.iter().map(|r| (r.status == Status::Acknowledged).then_some(micros));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("destination", Arc::new(constant(&self.destination))),
            ("export", Arc::new(constant(&self.export))),
            ("key_hash", Arc::new(texts(&rows, |r| Some(format!("{:032x}", r.key))))),
            ("payload_hash", Arc::new(texts(&rows, |r| Some(format!("{:016x}", r.payload_hash))))),
            ("status", Arc::new(texts(&rows, |r| Some(r.status.as_str().to_owned())))),
            ("job_id", Arc::new(texts(&rows, |r| r.job_id.clone()))),
            ("attempts", Arc::new(Int64Array::from(attempts.clone()))),
            (
                "error_code",
                Arc::new(texts(&rows, |r| r.rejection.as_ref().map(|e| e.code.clone()))),
            ),
            (
                "error_detail",
                Arc::new(texts(&rows, |r| r.rejection.as_ref().map(|e| e.detail.clone()))),
            ),
            (
                "sent_at",
                Arc::new(
                    TimestampMicrosecondArray::from_value(micros, rows.len()).with_timezone("UTC"),
                ),
            ),
            (
                "acknowledged_at",
                Arc::new(acknowledged.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
            ),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        )?;
        self.warehouse
            .ops_upsert(OpsTable::ExportState, &batch)
            .await
            .context("writing `ops.export_state`")?;
        for (row, attempts) in rows.into_iter().zip(attempts) {
            let last =
                Last { payload_hash: row.payload_hash, status: row.status, at: self.now, attempts };
            self.last.insert(row.key, last);
        }
        Ok(())
    }
}

fn texts(rows: &[RowState], text: impl Fn(&RowState) -> Option<String>) -> StringArray {
    rows.iter().map(text).collect()
}

fn first_bytes<const N: usize>(digest: &[u8]) -> Option<[u8; N]> {
    digest.get(..N)?.try_into().ok()
}
