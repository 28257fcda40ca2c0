//! Column lineage: for every column of every model, the columns that it comes from.
//!
//! It is read off the logical plans, over empty tables of the declared types: no data, no network.
//! Views are tables here, so that every model is a node of its own. An edge of a column says where
//! its value comes from; an edge of the rows decides which rows there are, and so influences every
//! column of the model.

mod diff;
mod edge;
mod expression;
mod graph;
mod shape;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::LogicalPlan;
use futures::FutureExt as _;

pub use diff::{Affected, ColumnChange, ModelChange, ProjectDiff};
pub use edge::{Class, Edge, Edges, Source};
pub use graph::{Direction, Link, Node, Walk};
pub use shape::{Felt, Shape};

use self::trace::{Traced, Tracer};
use super::check::{table_schema, words};
use super::definition::Model;
use super::header::Kind;
use super::project::{Project, landed_schemas};
use super::references::Target;
use super::scope::Scope;
use crate::Result;
use crate::table::{Layer, stored_schema};

/// Where everything in a project comes from.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    tables: BTreeMap<String, TableLineage>,
    order: Vec<String>,
    unplanned: Vec<String>,
}

/// A model, or a raw table, which comes from nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLineage {
    /// A model's name or `raw.<source>.<stream>`.
    pub name: String,
    /// The layer it belongs to.
    pub layer: Layer,
    /// In their order.
    pub columns: Vec<ColumnLineage>,
    /// What decides which rows there are.
    pub rows: Edges,
    /// The tables it reads, also those of which no column is used.
    pub inputs: BTreeSet<String>,
    /// Of all that decides about rows.
    rows_digest: u64,
}

/// A column and what it comes from; from nothing, when it is a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnLineage {
    /// Its name.
    pub name: String,
    /// As stored.
    pub data_type: DataType,
    /// What its value comes from.
    pub edges: Edges,
    /// Of its expression.
    digest: u64,
}

impl ColumnLineage {
    /// The type in the words of SQL.
    pub fn type_name(&self) -> String {
        type_name(&self.data_type)
    }
}

/// A type in the words of SQL, as `decimal(18, 4)`.
pub fn type_name(data_type: &DataType) -> String {
    words(data_type)
}

impl TableLineage {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ColumnLineage> {
        self.columns.iter().find(|column| column.name == name)
    }

    fn of_raw(name: &str, schema: &SchemaRef) -> Self {
        let columns = schema.fields().iter().map(|field| ColumnLineage {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            edges: Edges::new(),
            digest: 0,
        });
        Self {
            name: name.to_owned(),
            layer: Layer::Raw,
            columns: columns.collect(),
            rows: Edges::new(),
            inputs: BTreeSet::new(),
            rows_digest: 0,
        }
    }

    fn of_plan(model: &Model, plan: &LogicalPlan, schema: &SchemaRef) -> Self {
        let mut tracer = Tracer::default();
        let mut traced = tracer.relation(plan).columns;
        if model.header.kind == Kind::Scd2 {
            traced.extend(held(model, plan.schema(), &traced));
        }
        let columns = schema.fields().iter().zip(traced).map(|(field, traced)| ColumnLineage {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            edges: traced.edges,
            digest: traced.digest,
        });
        Self {
            name: model.name.clone(),
            layer: model.layer,
            columns: columns.collect(),
            rows: tracer.rows,
            inputs: tracer.inputs.iter().map(ToString::to_string).collect(),
            rows_digest: tracer.rows_digest,
        }
    }
}

/// The columns that the engine adds to a table of versions: from when a row held, until when, and
/// whether it does. The time is a column's, else any difference between two runs makes a version.
fn held(model: &Model, schema: &DFSchema, columns: &[Traced]) -> [Traced; 3] {
    let at = model
        .header
        .updated_at
        .as_ref()
        .and_then(|column| columns.get(schema.index_of_column_by_name(None, column)?));
    let all = || columns.iter().flat_map(|column| column.edges.iter().cloned()).collect();
    let edges: Edges = at.map_or_else(all, |at| at.edges.clone());
    let digest = at.map_or(0, |at| at.digest);
    let under = |class| Traced { edges: edge::under(&edges, class).collect(), digest };
    let from = if at.is_some() { Class::Copy } else { Class::Condition };
    [under(from), under(Class::Window), under(Class::Window)]
}

impl Project {
    /// Column lineage of all models that plan, given the types of the raw tables. Those that do
    /// not plan are in [`Lineage::unplanned`]; [`Project::check`] says why.
    ///
    /// Fails only when a raw schema cannot be stored or the engine cannot be set up.
    pub fn lineage(&self, raw_schemas: &BTreeMap<String, SchemaRef>) -> Result<Lineage> {
        let scope = Scope::detached()?;
        let mut lineage = Lineage::default();
        for (name, schema) in landed_schemas(raw_schemas)? {
            lineage.tables.insert(name.clone(), TableLineage::of_raw(&name, &schema));
            scope.add(&Target::Raw(name), Arc::new(EmptyTable::new(schema)))?;
        }
        for model in self.models() {
            let plan = scope.plan(model.statement.clone()).now_or_never();
            let planned = plan.and_then(std::result::Result::ok).and_then(|plan| {
                let schema = stored_schema(&model.name, plan.schema().as_arrow()).ok()?;
                Some((plan, table_schema(model, &schema)))
            });
            let Some((plan, schema)) = planned else {
                lineage.unplanned.push(model.name.clone());
                continue;
            };
            let table = TableLineage::of_plan(model, &plan, &schema);
            lineage.tables.insert(model.name.clone(), table);
            lineage.order.push(model.name.clone());
            scope.add(&Target::Model(model.name.clone()), Arc::new(EmptyTable::new(schema)))?;
        }
        Ok(lineage)
    }
}

#[cfg(test)]
mod tests;
