//! What differs: between two bases of a model, and between the tables of two releases.
//!
//! Both compare digests of contents and never versions: a table whose log moved on without its
//! files is the same table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Basis, Release, TableAt};

/// One reason why the rows of a model may no longer be what they would be computed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The normalised plan, its own or that of a view it reads.
    Plan,
    /// What the header says about rows and checks.
    Header,
    /// The code or the engine that computed it.
    Engine {
        /// Then.
        from: String,
        /// Now.
        to: String,
    },
    /// A table that its checks compare it with holds something else.
    Compared(String),
    /// It reads a table that it did not read.
    NewInput(String),
    /// It no longer reads a table.
    LostInput(String),
    /// A table that it reads holds something else.
    Input {
        /// Its name.
        name: String,
        /// Then; `None` for a raw table that did not exist.
        from: Option<TableAt>,
        /// Now.
        to: Option<TableAt>,
    },
}

impl Difference {
    /// The table that it reads and that is not what it was.
    pub(crate) fn input(&self) -> Option<&str> {
        match self {
            Self::Input { name, .. } | Self::NewInput(name) | Self::LostInput(name) => Some(name),
            Self::Plan | Self::Header | Self::Engine { .. } | Self::Compared(_) => None,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("the SQL changed, its own or that of a view it reads"),
            Self::Header => f.write_str("the header changed"),
            Self::Engine { from, to } => write!(f, "the engine changed from {from} to {to}"),
            Self::Compared(name) => write!(f, "`{name}`, which a check compares it with, changed"),
            Self::NewInput(name) => write!(f, "it reads `{name}` now"),
            Self::LostInput(name) => write!(f, "it no longer reads `{name}`"),
            Self::Input { name, from: None, .. } => write!(f, "`{name}` is there now"),
            Self::Input { name, to: None, .. } => write!(f, "`{name}` is gone"),
            Self::Input { name, from: Some(from), to: Some(to) } => {
                if from.environment == to.environment {
                    let (from, to) = (from.version, to.version);
                    write!(f, "`{name}` changed from version {from} to {to}")
                } else {
                    let (from, to) = (&from.environment, &to.environment);
                    write!(f, "`{name}` is that of `{to}` and no longer that of `{from}`")
                }
            }
        }
    }
}

impl Basis {
    /// Why a table that was computed from this is not what `now` would compute; empty when it is.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        if self.plan != now.plan {
            found.push(Difference::Plan);
        }
        if self.header != now.header {
            found.push(Difference::Header);
        }
        if self.engine != now.engine {
            let (from, to) = (self.engine.clone(), now.engine.clone());
            found.push(Difference::Engine { from, to });
        }
        let compared: BTreeSet<&String> = self.compared.keys().chain(now.compared.keys()).collect();
        for name in compared {
            if self.compared.get(name) != now.compared.get(name) {
                found.push(Difference::Compared(name.clone()));
            }
        }
        let names: BTreeSet<&String> = self.inputs.keys().chain(now.inputs.keys()).collect();
        for name in names {
            match (self.inputs.get(name), now.inputs.get(name)) {
                (None, _) => found.push(Difference::NewInput(name.clone())),
                (_, None) => found.push(Difference::LostInput(name.clone())),
                (Some(from), Some(to)) if contents(from.as_ref()) != contents(to.as_ref()) => {
                    let (from, to) = (from.clone(), to.clone());
                    found.push(Difference::Input { name: name.clone(), from, to });
                }
                _ => {}
            }
        }
        found
    }
}

fn contents(at: Option<&TableAt>) -> Option<&str> {
    at.map(|at| at.contents.as_str())
}

/// What became of a table from one release to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It holds something else.
    Changed,
}

impl TableChange {
    /// In machine-readable output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

impl Release {
    /// The tables that are not the same in `before`, by name; nothing is read.
    pub fn changes_since(&self, before: Option<&Self>) -> BTreeMap<String, TableChange> {
        let none = BTreeMap::new();
        let before = before.map_or(&none, |release| &release.tables);
        let mut changes = BTreeMap::new();
        for (name, at) in &self.tables {
            match before.get(name) {
                None => drop(changes.insert(name.clone(), TableChange::Added)),
                Some(old) if old.contents != at.contents => {
                    changes.insert(name.clone(), TableChange::Changed);
                }
                Some(_) => {}
            }
        }
        let gone = before.keys().filter(|name| !self.tables.contains_key(*name));
        changes.extend(gone.map(|name| (name.clone(), TableChange::Removed)));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;

    fn at(version: i64, contents: &str) -> TableAt {
        TableAt { version, contents: contents.to_owned(), environment: Environment::default() }
    }

    fn basis(plan: &str, inputs: &[(&str, Option<TableAt>)]) -> Basis {
        Basis {
            compared: BTreeMap::new(),
            plan: plan.to_owned(),
            header: "h".to_owned(),
            engine: "1".to_owned(),
            inputs: inputs.iter().map(|(name, at)| ((*name).to_owned(), at.clone())).collect(),
            rows: None,
        }
    }

    #[test]
    fn every_reason_is_named_and_a_version_alone_is_none() {
        let then = basis("p", &[("a", Some(at(1, "x"))), ("b", None), ("c", Some(at(1, "z")))]);
        let moved = basis("p", &[("a", Some(at(9, "x"))), ("b", None), ("c", Some(at(2, "z")))]);
        assert_eq!(then.differences(&moved), []);
        let mut now = basis("q", &[("a", Some(at(2, "y"))), ("b", Some(at(0, "n"))), ("d", None)]);
        now.engine = "2".to_owned();
        let words: Vec<String> = then.differences(&now).iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "the SQL changed, its own or that of a view it reads",
                "the engine changed from 1 to 2",
                "`a` changed from version 1 to 2",
                "`b` is there now",
                "it no longer reads `c`",
                "it reads `d` now",
            ]
        );
        assert!(!then.agrees_with(&now) && then.agrees_with(&moved));
    }
}
