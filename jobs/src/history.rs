//! What happened, as rows of `ops.runs` and `ops.steps`.
//!
//! A run is written down when it starts and again when it ends, so a run that died shows as one
//! that never ended. History must not decide how a run ends: when it cannot be written (a full
//! disk) that is said in the log, and the run's own error stays the error.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{Field, Schema},
};
use chrono::{DateTime, Utc};
use uuid::Uuid;
use warehouse::{OpsTable, Warehouse};

use crate::clock::Clock;
use crate::failure::Failure;

/// A run's name: when it began, and four random bytes. Sorts by time.
pub fn run_id(now: DateTime<Utc>) -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!("{}-{}", now.format("%Y%m%dT%H%M%SZ"), random.get(..8).unwrap_or(&random))
}

/// How a run or a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not ended yet; what it stays when the process dies.
    Running,
    /// All went well.
    Succeeded,
    /// Something failed.
    Failed,
    /// It was asked to stop.
    Stopped,
    /// It was not begun, since a step before it failed.
    Skipped,
}

impl Status {
    /// The text in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Skipped => "skipped",
        }
    }
}

/// One row of `ops.steps`.
#[derive(Debug, Clone)]
pub struct Step {
    /// `extract`, `build`, `model` or `export`.
    pub kind: &'static str,
    /// Stream, model or export.
    pub name: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// How.
    pub status: Status,
    /// The try, from 1.
    pub attempt: u32,
    /// Rows landed, built or sent.
    pub rows: u64,
    /// Bytes of the vendor's answers.
    pub bytes: u64,
    /// Pages or calls.
    pub pages: u64,
    /// The error, or what is worth knowing.
    pub message: Option<String>,
}

/// The history of one run.
#[derive(Debug, Clone)]
pub struct History {
    warehouse: Warehouse,
    clock: Clock,
    run_id: String,
    job: String,
    started_at: DateTime<Utc>,
    steps: Vec<(Status, &'static str)>,
}

impl History {
    /// Writes down that a run begins.
    pub async fn begin(warehouse: &Warehouse, clock: Clock, run_id: &str, job: &str) -> Self {
        let history = Self {
            warehouse: warehouse.clone(),
            clock,
            run_id: run_id.to_owned(),
            job: job.to_owned(),
            started_at: clock.now(),
            steps: Vec::new(),
        };
        history.write_run(Status::Running, None).await;
        history
    }

    /// When the run began.
    pub fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// Writes steps down.
    pub async fn steps(&mut self, steps: &[Step]) {
        if steps.is_empty() {
            return;
        }
        self.steps.extend(steps.iter().map(|step| (step.status, step.kind)));
        let written = async {
            let rows = step_rows(&self.run_id, steps)?;
            Ok::<_, anyhow::Error>(self.warehouse.ops_upsert(OpsTable::Steps, &rows).await?)
        };
        if let Err(error) = written.await {
            tracing::warn!(error = Failure::of(&error).one_line(), "`ops.steps` was not written");
        }
    }

    /// Writes down how the run ended.
    pub async fn end(&self, status: Status, error: Option<&str>) {
        self.write_run(status, error).await;
    }

    async fn write_run(&self, status: Status, error: Option<&str>) {
        let finished = (status != Status::Running).then(|| self.clock.now());
        let count = |wanted: Status| {
            i64::try_from(self.steps.iter().filter(|(s, _)| *s == wanted).count()).unwrap_or(0)
        };
        let total = i64::try_from(self.steps.len()).unwrap_or(0);
        let written = async {
            let rows = rows([
                ("run_id", text([Some(self.run_id.as_str())])),
                ("job", text([Some(self.job.as_str())])),
                ("started_at", times([Some(self.started_at)])),
                ("finished_at", times([finished])),
                ("status", text([Some(status.as_str())])),
                ("error", text([error])),
                ("version", text([Some(env!("CARGO_PKG_VERSION"))])),
                ("steps_total", counts([total])),
                ("steps_failed", counts([count(Status::Failed)])),
                ("steps_skipped", counts([count(Status::Skipped)])),
            ])?;
            Ok::<_, anyhow::Error>(self.warehouse.ops_upsert(OpsTable::Runs, &rows).await?)
        };
        if let Err(error) = written.await {
            tracing::warn!(error = Failure::of(&error).one_line(), "`ops.runs` was not written");
        }
    }
}

fn step_rows(run_id: &str, steps: &[Step]) -> anyhow::Result<RecordBatch> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let names: Vec<String> =
        steps.iter().map(|step| format!("{}:{}", step.kind, step.name)).collect();
    rows([
        ("run_id", text(steps.iter().map(|_| Some(run_id)))),
        ("step", text(names.iter().map(|name| Some(name.as_str())))),
        ("kind", text(steps.iter().map(|step| Some(step.kind)))),
        ("name", text(steps.iter().map(|step| Some(step.name.as_str())))),
        ("started_at", times(steps.iter().map(|step| Some(step.started_at)))),
        ("finished_at", times(steps.iter().map(|step| Some(step.finished_at)))),
        ("status", text(steps.iter().map(|step| Some(step.status.as_str())))),
        ("attempt", counts(steps.iter().map(|step| i64::from(step.attempt)))),
        ("rows", counts(steps.iter().map(|step| signed(step.rows)))),
        ("bytes", counts(steps.iter().map(|step| signed(step.bytes)))),
        ("pages", counts(steps.iter().map(|step| signed(step.pages)))),
        ("message", text(steps.iter().map(|step| step.message.as_deref()))),
    ])
}

fn rows<const N: usize>(columns: [(&str, ArrayRef); N]) -> anyhow::Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn text<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

fn counts(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<Int64Array>())
}

fn times(values: impl IntoIterator<Item = Option<DateTime<Utc>>>) -> ArrayRef {
    let micros = values.into_iter().map(|at| at.map(|at| at.timestamp_micros()));
    let times: TimestampMicrosecondArray = micros.collect();
    Arc::new(times.with_timezone("UTC"))
}
