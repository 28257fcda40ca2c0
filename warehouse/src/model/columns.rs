//! What became of a table's columns: added, removed, of another type.

use std::fmt;

use datafusion::arrow::datatypes::Schema;
use serde::Serialize;

use super::check::words;

/// One column that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnChange {
    /// Its name.
    pub column: String,
    /// Its type before; `None` when it is new.
    pub before: Option<String>,
    /// Its type now; `None` when it is gone.
    pub after: Option<String>,
}

impl fmt::Display for ColumnChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, before, after } = self;
        match (before, after) {
            (Some(before), Some(after)) => write!(f, "`{column}` from {before} to {after}"),
            (None, Some(after)) => write!(f, "`{column}` added, {after}"),
            _ => write!(f, "`{column}` removed"),
        }
    }
}

/// The columns that differ, in the order of the tables.
pub(crate) fn changes(before: &Schema, after: &Schema) -> Vec<ColumnChange> {
    let type_in = |schema: &Schema, name: &str| {
        schema.field_with_name(name).ok().map(|field| words(field.data_type()))
    };
    let new = after.fields().iter().filter(|field| before.index_of(field.name()).is_err());
    let names = before.fields().iter().chain(new).map(|field| field.name());
    names
        .map(|name| ColumnChange {
            column: name.clone(),
            before: type_in(before, name),
            after: type_in(after, name),
        })
        .filter(|change| change.before != change.after)
        .collect()
}
