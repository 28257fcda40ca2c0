//! The model engine: `sql/` files in, tables and releases out.
//!
//! A model is prose, a `--!` header and one `select`. What it reads is found by parsing; it is
//! planned against declared types before anything runs; its rows are written, checked, and only
//! then committed; a release names one version of every table.

mod build;
mod check;
mod checks;
mod codes;
mod columns;
mod comments;
mod complaint;
mod definition;
mod diff;
mod explain;
mod finding;
mod graph;
mod header;
mod incremental;
mod inputs;
pub mod lineage;
mod lint;
pub mod model_test;
mod normal;
mod plan;
mod planning;
mod project;
mod query;
mod references;
mod scope;
mod selection;
#[cfg(test)]
mod shop;

pub use build::{
    Backfill, BuildEvent, BuildOptions, BuildReport, Failure, ModelReport, ModelStatus, Month,
    Outcome, Verified, Way, Why,
};
pub use checks::{
    Accepted, CheckResult, CheckStatus, Measure, Rule, Test, declared as declared_checks,
};
pub use codes::page;
pub use columns::ColumnChange;
pub use definition::{Model, ModelSource};
pub use diff::{ColumnDiff, Diff, RowsDiff, SumDiff, TableDiff, ValueDiff};
pub use explain::{ExplainedInput, Explanation};
pub use finding::{Finding, code};
pub use header::{Header, Kind, Severity};
pub use incremental::inputs::Role;
pub use plan::{BuildPlan, Forecast, PlannedModel};
pub use project::Project;
pub use query::ReadAt;
pub use selection::asks_for_changed;
