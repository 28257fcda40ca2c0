//! What changed between two versions of a project, and what that changes or breaks downstream.
//!
//! Columns are compared by what they are computed from and not by the text of the SQL: a renamed
//! CTE or another format is no change. What decides about rows counts for every column.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::datatypes::SchemaRef;

use super::{ColumnLineage, Edges, Lineage, TableLineage};
use crate::Result;
use crate::model::definition::Model;
use crate::model::finding::Finding;
use crate::model::project::Project;

/// The difference of two versions of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectDiff {
    /// Models that are new, in order.
    pub added: Vec<String>,
    /// Models that are gone, by name.
    pub removed: Vec<String>,
    /// Models that are in both and differ, in order.
    pub changed: Vec<ModelChange>,
    /// What reads something that differs, in order; without the models above, unless they break
    /// or columns of theirs are touched from outside.
    pub affected: Vec<Affected>,
    /// What is wrong with the new version and was not with the old one.
    pub findings: Vec<Finding>,
}

/// A model that is in both versions and differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChange {
    /// Its name.
    pub model: String,
    /// Columns that differ, in order: those of the new version, then those that are gone.
    pub columns: Vec<(String, ColumnChange)>,
    /// Whether something else decides now which rows there are.
    pub rows: bool,
    /// What else its header says: what, before, after.
    pub header: Vec<(&'static str, String, String)>,
}

/// In which way a column differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Another type; and whether it is also computed otherwise.
    Retyped {
        /// Type before.
        before: String,
        /// Type now.
        after: String,
    },
    /// It comes from other columns, or in another way.
    Resourced {
        /// Edges that are gone.
        lost: Edges,
        /// Edges that are new.
        gained: Edges,
    },
    /// It comes from the same columns by another expression.
    Recomputed,
}

/// A model downstream of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// Its name.
    pub model: String,
    /// The vendor it goes to, if it is an export.
    pub destination: Option<String>,
    /// Columns whose values may differ because a column that they come from does.
    pub columns: Vec<String>,
    /// Whether other rows may be in it.
    pub rows: bool,
    /// Whether it does not plan any more.
    pub breaks: bool,
}

impl ProjectDiff {
    /// Compares two versions over the same raw tables.
    ///
    /// Fails only when a raw schema cannot be stored or the engine cannot be set up. A version
    /// that does not plan is compared as far as it does.
    pub fn between(
        before: &Project,
        after: &Project,
        raw_schemas: &BTreeMap<String, SchemaRef>,
    ) -> Result<Self> {
        let lines = (before.lineage(raw_schemas)?, after.lineage(raw_schemas)?);
        let mut diff =
            Self { findings: new_findings(before, after, raw_schemas)?, ..Self::default() };
        for model in after.models() {
            let Some(old) = before.model(&model.name) else {
                diff.added.push(model.name.clone());
                continue;
            };
            let (columns, rows) = match (lines.0.table(&model.name), lines.1.table(&model.name)) {
                (Some(old), Some(new)) => (columns(old, new), old.rows_digest != new.rows_digest),
                _ => (Vec::new(), false),
            };
            let header = header(old, model);
            if !columns.is_empty() || rows || !header.is_empty() {
                let model = model.name.clone();
                diff.changed.push(ModelChange { model, columns, rows, header });
            }
        }
        let gone = before.models().filter(|model| after.model(&model.name).is_none());
        diff.removed = gone.map(|model| model.name.clone()).collect();
        diff.removed.sort();
        diff.affected = diff.downstream(after, &lines.0, &lines.1);
        Ok(diff)
    }

    /// Whether both versions compute the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.affected.is_empty()
            && self.findings.is_empty()
    }

    /// The affected models whose rows go to a vendor, changed ones included: model, vendor.
    pub fn exports<'a>(&'a self, after: &'a Project) -> Vec<(&'a str, &'a str)> {
        let touched: BTreeSet<&str> = self
            .affected
            .iter()
            .map(|affected| affected.model.as_str())
            .chain(self.changed.iter().map(|change| change.model.as_str()))
            .chain(self.added.iter().map(String::as_str))
            .collect();
        after.exports().filter(|(model, _)| touched.contains(model)).collect()
    }

    /// Follows the differences through the new version, in order.
    fn downstream(&self, project: &Project, before: &Lineage, after: &Lineage) -> Vec<Affected> {
        let mut touched = Touched::default();
        for change in &self.changed {
            if change.rows {
                touched.rows.insert(change.model.clone());
            }
            for (column, _) in &change.columns {
                touched.columns.insert((change.model.clone(), column.clone()));
            }
        }
        for name in &self.removed {
            touched.rows.insert(name.clone());
        }
        let mut affected = Vec::new();
        for model in project.models() {
            let name = &model.name;
            // Of what does not plan any more, the old version says what it read.
            let breaks = after.unplanned().contains(name) && before.table(name).is_some();
            let Some(table) = after.table(name).or_else(|| before.table(name)) else { continue };
            let columns = touched.columns_of(table);
            let rows = touched.rows_of(table);
            touched.add(name, &columns, rows);
            let is_new = self.added.contains(name);
            if breaks || (!is_new && (rows || !columns.is_empty())) {
                let destination = model.header.destination.clone();
                let model = name.clone();
                affected.push(Affected { model, destination, columns, rows, breaks });
            }
        }
        affected
    }
}

/// What differs or may differ so far.
#[derive(Default)]
pub(super) struct Touched {
    columns: BTreeSet<(String, String)>,
    /// Tables in which other rows may be, and so other values everywhere.
    rows: BTreeSet<String>,
}

impl Touched {
    fn has(&self, edge: &super::Edge) -> bool {
        let source = &edge.source;
        let column = source.column.as_ref().map(|c| (source.table.to_string(), c.to_string()));
        column.is_some_and(|column| self.columns.contains(&column))
    }

    pub(super) fn add(&mut self, table: &str, columns: &[String], rows: bool) {
        for column in columns {
            self.columns.insert((table.to_owned(), column.clone()));
        }
        if rows {
            self.rows.insert(table.to_owned());
        }
    }

    /// The columns of a table that come from what differs.
    pub(super) fn columns_of(&self, table: &TableLineage) -> Vec<String> {
        let columns = table.columns.iter().filter(|c| c.edges.iter().any(|edge| self.has(edge)));
        columns.map(|column| column.name.clone()).collect()
    }

    /// Whether what differs decides about the rows of a table.
    pub(super) fn rows_of(&self, table: &TableLineage) -> bool {
        table.rows.iter().any(|edge| self.has(edge))
            || table.inputs.iter().any(|input| self.rows.contains(input))
    }
}

fn columns(before: &TableLineage, after: &TableLineage) -> Vec<(String, ColumnChange)> {
    let mut changes = Vec::new();
    for column in &after.columns {
        let change = match before.column(&column.name) {
            None => Some(ColumnChange::Added),
            Some(old) => change(old, column),
        };
        changes.extend(change.map(|change| (column.name.clone(), change)));
    }
    let gone = before.columns.iter().filter(|column| after.column(&column.name).is_none());
    changes.extend(gone.map(|column| (column.name.clone(), ColumnChange::Removed)));
    changes
}

fn change(before: &ColumnLineage, after: &ColumnLineage) -> Option<ColumnChange> {
    if before.data_type != after.data_type {
        let (before, after) = (before.type_name(), after.type_name());
        Some(ColumnChange::Retyped { before, after })
    } else if before.edges != after.edges {
        let lost = before.edges.difference(&after.edges).cloned().collect();
        let gained = after.edges.difference(&before.edges).cloned().collect();
        Some(ColumnChange::Resourced { lost, gained })
    } else {
        (before.digest != after.digest).then_some(ColumnChange::Recomputed)
    }
}

fn new_findings(
    before: &Project,
    after: &Project,
    raw_schemas: &BTreeMap<String, SchemaRef>,
) -> Result<Vec<Finding>> {
    // Lines move; what is said of a file does not.
    let said = |finding: &Finding| (finding.code, finding.path.clone(), finding.message.clone());
    let known: BTreeSet<_> = before.check(raw_schemas)?.iter().map(said).collect();
    let mut found = after.check(raw_schemas)?;
    found.retain(|finding| !known.contains(&said(finding)));
    Ok(found)
}

/// The parts of a header that readers depend on.
fn header(before: &Model, after: &Model) -> Vec<(&'static str, String, String)> {
    let parts = |model: &Model| {
        let header = &model.header;
        [
            ("layer", model.layer.folder().to_owned()),
            ("kind", header.kind.as_str().to_owned()),
            ("key", header.key.join(", ")),
            ("destination", header.destination.clone().unwrap_or_default()),
            ("object", header.object.clone().unwrap_or_default()),
        ]
    };
    let pairs = parts(before).into_iter().zip(parts(after));
    let differ = pairs.filter(|(before, after)| before.1 != after.1);
    differ.map(|((what, before), (_, after))| (what, before, after)).collect()
}

#[cfg(test)]
mod tests;
