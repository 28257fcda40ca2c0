//! The warehouse: object storage, Delta tables, landing, releases, models and queries.
//!
//! Everything visible is a Delta commit or one conditional put; whatever was written before that
//! (staged files, bookmark objects without a commit) is garbage that no reader ever sees.
//! This crate knows no vendor.

mod bookmark;
mod environment;
mod error;
mod functions;
mod landing;
pub mod model;
pub mod ops;
mod release;
mod session;
mod store;
pub mod table;
#[cfg(test)]
mod test_house;
mod warehouse;

/// A value for a parameter of a query.
pub use datafusion::common::ScalarValue;
pub use environment::{Environment, EnvironmentState, Promotion};
pub use error::{Error, ErrorKind, Result};
pub use landing::{Landed, Landing, LandingSpec, Rejected};
pub use model::lineage;
pub use model::{
    Backfill, BuildEvent, BuildOptions, BuildPlan, BuildReport, CheckResult, CheckStatus,
    ColumnChange, ColumnDiff, Diff, ExplainedInput, Explanation, Failure, Finding, Forecast, Kind,
    Model, ModelReport, ModelSource, ModelStatus, Month, Outcome, PlannedModel, Project, ReadAt,
    Role, RowsDiff, Severity, SumDiff, TableDiff, ValueDiff, Verified, Way, Why, asks_for_changed,
    declared_checks, model_test, page,
};
pub use ops::OpsTable;
pub use release::{Basis, Difference, Release, TableAt, TableChange};
pub use session::Options;
pub use store::Store;
pub use table::{Layer, Snapshot, Staged, Table, TableName};
pub use warehouse::Warehouse;
