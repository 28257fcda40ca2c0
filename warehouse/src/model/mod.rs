//! The model engine: `sql/` files in, tables and releases out.
//!
//! A model is prose, a `--!` header and one `select`. What it reads is found by parsing; it is
//! planned against declared types before anything runs; its rows are written, checked, and only
//! then committed; a release names one version of every table.

mod build;
mod check;
mod checks;
mod codes;
mod definition;
mod finding;
mod graph;
mod header;
mod inputs;
mod lint;
pub mod model_test;
mod planning;
mod project;
mod query;
mod references;
mod scope;
mod selection;
#[cfg(test)]
mod shop;

pub use build::{BuildEvent, BuildOptions, BuildReport, Failure, ModelReport, ModelStatus};
pub use checks::{CheckResult, CheckStatus};
pub use codes::page;
pub use definition::{Model, ModelSource};
pub use finding::{Finding, code};
pub use header::{Header, Kind, Severity};
pub use project::Project;
pub use query::ReadAt;
