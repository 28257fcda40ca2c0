//! What a release keeps of the lineage of its tables: digests, so that a later plan can say which
//! columns would be computed otherwise.
//!
//! A column differs when its expression or what it comes from does, or when a column that it comes
//! from differs; where other rows may be, every value may differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::diff::Touched;
use super::{Lineage, TableLineage};

/// What the rows and columns of one model are computed from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Digest of all that decides which rows there are.
    pub rows: String,
    /// Column -> digest of its expression.
    pub columns: BTreeMap<String, String>,
}

/// What may differ in a model after it was built anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Felt {
    /// Columns in which other values may be, in their order, new ones not among them.
    pub columns: Vec<String>,
    /// Whether there may be other rows.
    pub rows: bool,
}

impl TableLineage {
    fn shape(&self) -> Shape {
        let digest = |digest: u64| format!("{digest:016x}");
        let columns = self.columns.iter();
        Shape {
            rows: digest(self.rows_digest),
            columns: columns.map(|column| (column.name.clone(), digest(column.digest))).collect(),
        }
    }
}

impl Lineage {
    /// The shape of every model that plans.
    pub(crate) fn shapes(&self) -> BTreeMap<String, Shape> {
        let tables = self.order.iter().filter_map(|name| self.tables.get(name));
        tables.map(|table| (table.name.clone(), table.shape())).collect()
    }

    /// What differs in every model from these shapes, and what that does to the models after it.
    /// Models of which no shape is known are new: nothing of them differs.
    pub(crate) fn felt_since(&self, was: &BTreeMap<String, Shape>) -> BTreeMap<String, Felt> {
        let mut touched = Touched::default();
        let mut all = BTreeMap::new();
        for table in self.order.iter().filter_map(|name| self.tables.get(name)) {
            let Some(was) = was.get(&table.name) else { continue };
            let is = table.shape();
            let from_above: BTreeSet<String> = touched.columns_of(table).into_iter().collect();
            let differs = |name: &String| {
                let then = was.columns.get(name);
                then.is_some() && (from_above.contains(name) || then != is.columns.get(name))
            };
            let names = table.columns.iter().map(|column| column.name.clone());
            let columns: Vec<String> = names.filter(differs).collect();
            let rows = was.rows != is.rows || touched.rows_of(table);
            touched.add(&table.name, &columns, rows);
            if rows || !columns.is_empty() {
                all.insert(table.name.clone(), Felt { columns, rows });
            }
        }
        all
    }
}
