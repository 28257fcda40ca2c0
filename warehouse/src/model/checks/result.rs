//! How a check ended, and how that is said.

use crate::model::header::Severity;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStatus {
    /// It holds for every row.
    Passed,
    /// It does not, and the model may be published all the same.
    Warned,
    /// It does not, and the model is not published.
    Failed,
    /// It holds for whatever rows there are, by the plan; no row was looked at.
    Proved,
}

impl CheckStatus {
    /// As in `ops.check_results`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Failed => "failed",
            Self::Proved => "proved",
        }
    }
}

/// One check of one model in one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// `unique(a, b)`, `not_null(a)`, `accepted(a)`, .., or the condition itself.
    pub name: String,
    /// `condition`, `not_null`, `unique`, `accepted`, `references`, `rows`, `fresh` or `steady`.
    pub kind: &'static str,
    /// What a failure does.
    pub severity: Severity,
    /// How it ended.
    pub status: CheckStatus,
    /// Rows that break it, of a key all rows that share one; 0 for what is about the whole table.
    pub failed_rows: u64,
    /// Rows looked at.
    pub checked_rows: u64,
    /// Up to five of the rows as a JSON list: keys and the columns in question, free text masked.
    pub sample: Option<String>,
    /// What a check of the whole table measured: rows, the newest moment, a sum, a share of nulls.
    pub value: Option<String>,
    /// What a check of the whole table expected, in words.
    pub detail: Option<String>,
}

impl CheckResult {
    /// What is wrong, for people: `` `a > 0` in 1 of 3 rows, such as {"a":"-1"} ``.
    pub fn complaint(&self) -> String {
        let name = &self.name;
        if let Some(detail) = &self.detail {
            return format!("`{name}`: {detail}");
        }
        let (failed, checked) = (self.failed_rows, self.checked_rows);
        match self.sample.as_deref().and_then(first_of) {
            Some(row) => format!("`{name}` in {failed} of {checked} rows, such as {row}"),
            None => format!("`{name}` in {failed} of {checked} rows"),
        }
    }
}

/// The first row of a sample.
fn first_of(sample: &str) -> Option<String> {
    let rows: serde_json::Value = serde_json::from_str(sample).ok()?;
    rows.get(0).map(ToString::to_string)
}
