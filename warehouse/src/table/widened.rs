//! A table read with all columns that it is declared with.
//!
//! Files and logs are older than declarations: a column that was added since is read as null, by a
//! projection over the table, so that nothing has to be rewritten first.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{ScalarValue, TableReference};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit};
use datafusion::prelude::ident;

use crate::{Error, Result};

/// `table` with the declared columns that it lacks.
pub(crate) fn widened(
    name: &str,
    table: Arc<dyn TableProvider>,
    declared: &SchemaRef,
) -> Result<Arc<dyn TableProvider>> {
    let given = table.schema();
    let missing: Vec<_> =
        declared.fields().iter().filter(|field| given.index_of(field.name()).is_err()).collect();
    if missing.is_empty() {
        return Ok(table);
    }
    let own = given.fields().iter().map(|field| ident(field.name().as_str()));
    let nulls = missing
        .iter()
        .map(|field| cast(lit(ScalarValue::Null), field.data_type().clone()).alias(field.name()));
    let columns: Vec<Expr> = own.chain(nulls).collect();
    // Under its own name, by which an incremental build knows it.
    LogicalPlanBuilder::scan(TableReference::from(name), provider_as_source(table), None)
        .and_then(|plan| plan.project(columns)?.build())
        .map(|plan| Arc::new(ViewTable::new(plan, None)) as _)
        .map_err(Error::engine(format!("adding columns to `{name}`")))
}
