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
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::LogicalPlan;
use futures::FutureExt as _;

pub use diff::{Affected, ColumnChange, ModelChange, ProjectDiff};
pub use edge::{Class, Edge, Edges, Source};
pub use graph::{Direction, Link, Node, Walk};

use self::trace::Tracer;
use super::check::words;
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

    fn of_plan(name: &str, layer: Layer, plan: &LogicalPlan, schema: &SchemaRef) -> Self {
        let mut tracer = Tracer::default();
        let relation = tracer.relation(plan);
        let columns =
            schema.fields().iter().zip(relation.columns).map(|(field, traced)| ColumnLineage {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                edges: traced.edges,
                digest: traced.digest,
            });
        Self {
            name: name.to_owned(),
            layer,
            columns: columns.collect(),
            rows: tracer.rows,
            inputs: tracer.inputs.iter().map(ToString::to_string).collect(),
            rows_digest: tracer.rows_digest,
        }
    }
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
                Some((plan, schema))
            });
            let Some((plan, schema)) = planned else {
                lineage.unplanned.push(model.name.clone());
                continue;
            };
            let table = TableLineage::of_plan(&model.name, model.layer, &plan, &schema);
            lineage.tables.insert(model.name.clone(), table);
            lineage.order.push(model.name.clone());
            scope.add(&Target::Model(model.name.clone()), Arc::new(EmptyTable::new(schema)))?;
        }
        Ok(lineage)
    }
}

#[cfg(test)]
mod tests;
