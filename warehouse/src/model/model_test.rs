//! Unit tests of models, written as Markdown tables.
//!
//! A case gives rows of some tables and expects rows of others; every model on the way between is
//! computed, with its checks, from what was given. Tables that are not given are empty. Only the
//! columns that are named are compared, rows in any order unless it says `ordered`. An empty cell
//! is null, `""` is empty text, and a cell of a list or struct is JSON. `model.cte` is a step of a
//! model; a line `` at `2026-11-01T06:00:00Z` `` says what time it is.

mod bench;
mod cells;
mod clock;
mod cte;
mod difference;
mod file;
mod stage;

use std::collections::BTreeSet;
use std::time::Duration;

pub use self::bench::Bench;
pub use self::file::TestFile;

/// How the cases of a file ended.
#[derive(Debug, Clone)]
pub struct TestReport {
    /// The file.
    pub path: String,
    /// Its title.
    pub title: String,
    /// In the order of the file.
    pub cases: Vec<CaseReport>,
}

impl TestReport {
    /// Whether all cases passed.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.failure.is_none())
    }
}

/// How a case ended.
#[derive(Debug, Clone)]
pub struct CaseReport {
    /// Its name; the file's title when it has none.
    pub name: String,
    /// The line on which it begins.
    pub line: usize,
    /// How long it took.
    pub took: Duration,
    /// What went wrong, several lines.
    pub failure: Option<String>,
    /// Models of which it expects rows.
    pub expected: BTreeSet<String>,
    /// Models that were computed and had rows on the way to rows that it expects.
    pub exercised: BTreeSet<String>,
}

/// A file with the rows that its models yield.
#[derive(Debug, Clone)]
pub struct Completed {
    /// The new text; `None` when nothing differs.
    pub text: Option<String>,
    /// Cases whose models do not run, with their line; their tables stay as they are.
    pub failures: Vec<(usize, String)>,
}

#[cfg(test)]
mod tests;
