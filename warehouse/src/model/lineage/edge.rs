//! An edge of the lineage: what something comes from, and in which way.
//!
//! Classes compose along a plan: a copy of a sum is an aggregate, and what only decides stays a
//! decision whatever is computed from it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;

/// The step from a list to its elements, in the path of a [`Source`].
pub(super) const ELEMENT: &str = "[]";

/// What a column or a row comes from: a column, a field inside one, or the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// A model's name or `raw.<source>.<stream>`.
    pub table: Arc<str>,
    /// `None` for the rows themselves, which is what `count(*)` counts.
    pub column: Option<Arc<str>>,
    /// The way into the column: names of struct fields, and `[]` for the elements of a list.
    pub path: Vec<Arc<str>>,
}

impl Source {
    /// A whole column.
    pub fn column(table: &str, column: &str) -> Self {
        Self { table: table.into(), column: Some(column.into()), path: Vec::new() }
    }

    /// The rows of a table.
    pub fn rows(table: &str) -> Self {
        Self { table: table.into(), column: None, path: Vec::new() }
    }

    /// A place further inside.
    #[must_use]
    pub fn inside(mut self, path: &[Arc<str>]) -> Self {
        self.path.extend(path.iter().map(Arc::clone));
        self
    }

    /// The column with the way into it, as `totalPriceSet.shopMoney.amount` or `lines[].sku`;
    /// `(rows)` for rows.
    pub fn field(&self) -> String {
        let Some(column) = &self.column else { return "(rows)".to_owned() };
        let mut text = column.to_string();
        for part in &self.path {
            if &**part != ELEMENT {
                text.push('.');
            }
            text.push_str(part);
        }
        text
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(_) => write!(f, "{}.{}", self.table, self.field()),
            None => write!(f, "{} (rows)", self.table),
        }
    }
}

/// In which way something comes from a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The value itself, under whatever name.
    Copy,
    /// Computed from the value of one row.
    Transform,
    /// Computed from the values of many rows, by an aggregate or a window function.
    Aggregate,
    /// Decides which of several values it is: `case when`, `filter (where)`.
    Condition,
    /// Decides over which rows a window function runs.
    Window,
    /// Decides the order of rows, and with it nothing else.
    Sort,
    /// Decides which rows there are.
    Filter,
    /// Decides which rows meet.
    JoinKey,
    /// Decides which rows become one.
    GroupKey,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Copy,
        Self::Transform,
        Self::Aggregate,
        Self::Condition,
        Self::Window,
        Self::Sort,
        Self::Filter,
        Self::JoinKey,
        Self::GroupKey,
    ];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Transform => "transform",
            Self::Aggregate => "aggregate",
            Self::Condition => "condition",
            Self::Window => "window",
            Self::Sort => "sort",
            Self::Filter => "filter",
            Self::JoinKey => "join key",
            Self::GroupKey => "group key",
        }
    }

    /// Whether the value itself flows, and does not only decide.
    pub fn is_direct(self) -> bool {
        matches!(self, Self::Copy | Self::Transform | Self::Aggregate)
    }

    /// What `self` becomes when something of class `outer` is computed from it.
    pub(super) fn under(self, outer: Self) -> Self {
        match (outer.is_direct(), self.is_direct()) {
            (true, true) => self.max(outer),
            (true, false) => self,
            (false, _) => outer,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A source and the way from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// From where.
    pub source: Source,
    /// In which way.
    pub class: Class,
}

/// Edges with one end; the other is whose they are.
pub type Edges = BTreeSet<Edge>;

/// The edges of something that is computed from what has `edges`.
pub(super) fn under(edges: &Edges, outer: Class) -> impl Iterator<Item = Edge> {
    edges
        .iter()
        .map(move |edge| Edge { source: edge.source.clone(), class: edge.class.under(outer) })
}

/// Whether a value of that type has something at the end of the way.
pub(super) fn reaches(data_type: &DataType, path: &[Arc<str>]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    match data_type {
        DataType::Struct(fields) => {
            let field = fields.iter().find(|field| **field.name() == **first);
            field.is_some_and(|field| reaches(field.data_type(), rest))
        }
        DataType::List(element) => &**first == ELEMENT && reaches(element.data_type(), rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_of_two_values_stays_and_a_decision_stays_one() {
        assert_eq!(Class::Copy.under(Class::Copy), Class::Copy);
        assert_eq!(Class::Aggregate.under(Class::Transform), Class::Aggregate);
        assert_eq!(Class::Copy.under(Class::Aggregate), Class::Aggregate);
        assert_eq!(Class::Condition.under(Class::Aggregate), Class::Condition);
        assert_eq!(Class::Aggregate.under(Class::Filter), Class::Filter);
        assert_eq!(Class::Window.under(Class::Filter), Class::Filter);
    }

    #[test]
    fn a_source_reads_as_it_is_written() {
        let path: Vec<Arc<str>> = vec![ELEMENT.into(), "variant".into(), "sku".into()];
        let source = Source::column("raw.a.b", "lines").inside(&path);
        assert_eq!(source.to_string(), "raw.a.b.lines[].variant.sku");
        assert_eq!(Source::rows("fct_a").to_string(), "fct_a (rows)");
    }
}
