//! What a build tells: as it goes, at its end, and in `ops.check_results`.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};

use super::BuildOptions;
use super::way::Way;
use crate::model::checks::CheckResult;
use crate::model::definition::Model;
use crate::model::header::Kind;
use crate::{Error, ErrorKind, OpsTable, Result, Warehouse};

/// Progress.
#[derive(Debug, Clone)]
pub enum BuildEvent {
    /// A model began to run.
    Started {
        /// Its name.
        model: String,
    },
    /// A model ended, one way or another.
    Finished(ModelReport),
    /// A release was published.
    Released {
        /// Its number.
        number: u64,
    },
}

/// How a model ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelStatus {
    /// Computed, checked, committed.
    Built,
    /// Nothing it reads has changed, or `prod` has the same; no table was touched.
    Unchanged,
    /// It failed, or a blocking check did; its table stays.
    Failed,
    /// Something it reads failed; its table stays.
    Skipped,
}

impl ModelStatus {
    /// In lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// Why a model failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Who has to act.
    pub kind: ErrorKind,
    /// A phrase, causes included.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What became of a model.
#[derive(Debug, Clone)]
pub struct ModelReport {
    /// Its name.
    pub name: String,
    /// As in its header; views are never built.
    pub kind: Kind,
    /// How it was built, if it was.
    pub way: Option<Way>,
    /// It was computed and holds the same rows as before.
    pub is_same: bool,
    /// Rows written: those computed, not those of the table.
    pub rows: u64,
    /// Rows that came out of its inputs, to find what changed and to compute.
    pub rows_read: u64,
    /// Seconds from start to commit.
    pub seconds: f64,
    /// How it ended.
    pub status: ModelStatus,
    /// Its checks, if it came to them.
    pub checks: Vec<CheckResult>,
    /// Why it failed or was skipped.
    pub error: Option<Failure>,
}

/// What became of a build.
#[derive(Debug, Clone)]
pub struct BuildReport {
    /// The release that was published; `None` when nothing changed or something failed.
    pub release: Option<u64>,
    /// The selected models in the order in which they ended; views are not among them.
    pub models: Vec<ModelReport>,
}

impl BuildReport {
    /// Models of that status.
    pub fn count(&self, status: ModelStatus) -> usize {
        self.models.iter().filter(|model| model.status == status).count()
    }

    /// Whether every selected model is built or unchanged.
    pub fn is_ok(&self) -> bool {
        self.count(ModelStatus::Failed) + self.count(ModelStatus::Skipped) == 0
    }
}

/// A report of a model that did not run.
pub(super) fn report_of(model: &Model, status: ModelStatus) -> ModelReport {
    ModelReport {
        name: model.name.clone(),
        kind: model.header.kind,
        way: None,
        is_same: false,
        rows: 0,
        rows_read: 0,
        seconds: 0.0,
        status,
        checks: Vec::new(),
        error: None,
    }
}

/// Writes the checks of a build to `ops.check_results`, in one commit. A run that is tried again
/// puts its results in place of those of the try before.
pub(super) async fn write_check_results(
    warehouse: &Warehouse,
    reports: &[ModelReport],
    options: &BuildOptions,
) -> Result<()> {
    let rows: Vec<(&str, &CheckResult)> = reports
        .iter()
        .flat_map(|report| report.checks.iter().map(|check| (report.name.as_str(), check)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let text = |value: fn(&CheckResult) -> Option<&str>| {
        Arc::new(rows.iter().map(|(_, check)| value(check)).collect::<StringArray>())
    };
    let number = |value: fn(&CheckResult) -> u64| {
        let numbers = rows.iter().map(|(_, check)| i64::try_from(value(check)).ok());
        Arc::new(numbers.collect::<Int64Array>())
    };
    let run = std::iter::repeat_n(options.run_id.as_str(), rows.len());
    let environment = std::iter::repeat_n(options.environment.name(), rows.len());
    let at = options.now.timestamp_micros();
    let at = TimestampMicrosecondArray::from_value(at, rows.len()).with_timezone("UTC");
    let batch = RecordBatch::try_new(
        OpsTable::CheckResults.schema(),
        vec![
            Arc::new(StringArray::from_iter_values(run)),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(model, _)| *model))),
            text(|check| Some(&check.name)),
            text(|check| Some(check.kind)),
            text(|check| Some(check.severity.as_str())),
            text(|check| Some(check.status.as_str())),
            number(|check| check.failed_rows),
            number(|check| check.checked_rows),
            text(|check| check.sample.as_deref()),
            text(|check| check.value.as_deref()),
            text(|check| check.detail.as_deref()),
            Arc::new(StringArray::from_iter_values(environment)),
            Arc::new(at),
        ],
    );
    let batch = batch.map_err(Error::arrow("building rows of `ops.check_results`"))?;
    warehouse.ops_upsert(OpsTable::CheckResults, &batch).await
}
