//! What a model's `changed_by` comes to: for each input whether it is reached, without any data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError};
use datafusion::datasource::empty::EmptyTable;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::unparser::expr_to_sql;
use futures::FutureExt as _;

use super::reach::{Reach, reach};
use crate::model::definition::Model;
use crate::model::header::Kind;
use crate::model::planning::{Depth, plan_all};
use crate::model::project::{Project, landed_schemas};
use crate::model::references::Target;
use crate::model::scope::Scope;
use crate::{Error, Result};

/// How an input of a model takes part in an incremental build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Only rows that changed keys need are read.
    Narrowed {
        /// What they are found by, over the input's columns: the model's `changed_by`, or what a
        /// join compares with rows that have it.
        by: Vec<String>,
        /// The tables on the other side of that join; empty where `changed_by` itself arrives.
        through: Vec<String>,
    },
    /// It is read whole, and when it changes the model is rebuilt whole.
    Dimension,
}

impl Project {
    /// For every stored table that a model with `changed_by` reads, views looked through, how it
    /// takes part in an incremental build. Empty for a model that is always computed whole.
    ///
    /// Fails with [`Error::UnknownModel`], or when a model that it reads does not plan.
    pub fn roles(
        &self,
        raw_schemas: &BTreeMap<String, SchemaRef>,
        name: &str,
    ) -> Result<BTreeMap<String, Role>> {
        let Some(model) = self.model(name) else {
            return Err(Error::UnknownModel { name: name.to_owned(), hint: None });
        };
        if model.header.changed_by.is_empty() {
            return Ok(BTreeMap::new());
        }
        let failed = || Error::engine(format!("reading the plan of `{name}`"));
        let needed = self.only(&BTreeSet::from([name]));
        let planned = plan_all(&needed, raw_schemas, Depth::Types)?;
        let scope = Scope::detached()?;
        for (raw, schema) in landed_schemas(raw_schemas)? {
            scope.add(&Target::Raw(raw), Arc::new(EmptyTable::new(schema)))?;
        }
        let plan = |model: &Model| scope.plan(model.statement.clone()).now_or_never();
        for read in needed.models().take_while(|read| read.name != name) {
            let target = Target::Model(read.name.clone());
            if read.header.kind == Kind::View {
                let view = scope.view(&read.name, read.statement.clone()).now_or_never();
                if let Some(Ok(view)) = view {
                    scope.add(&target, Arc::new(view))?;
                }
            } else if let Some(schema) = planned.schemas.get(&read.name) {
                scope.add(&target, Arc::new(EmptyTable::new(Arc::clone(schema))))?;
            }
        }
        let plan = match plan(model) {
            Some(plan) => plan.map_err(failed())?,
            None => return Err(Error::NotBuilt { model: name.to_owned() }),
        };
        roles_in(&plan, model).map_err(failed())
    }
}

/// The roles of what a model's plan reads, into which views are pasted.
pub(crate) fn roles_in(
    plan: &LogicalPlan,
    model: &Model,
) -> Result<BTreeMap<String, Role>, DataFusionError> {
    let mut roles = BTreeMap::new();
    take(&reach(plan, &model.header.changed_by)?, &[], &mut roles);
    Ok(roles)
}

/// A table that is a dimension anywhere is one; of several ways to it the shortest is told.
fn take(reach: &Reach, through: &[String], roles: &mut BTreeMap<String, Role>) {
    for (table, reached) in &reach.tables {
        let role = match reached.keys.first() {
            Some(keys) if !reached.is_dimension => {
                Role::Narrowed { by: keys.iter().map(shown).collect(), through: through.to_vec() }
            }
            _ => Role::Dimension,
        };
        if role == Role::Dimension || !roles.contains_key(table) {
            roles.insert(table.clone(), role);
        }
    }
    for hop in &reach.hops {
        take(&hop.far, &scanned(&hop.near), roles);
    }
}

/// A part of a key without the name of its table.
fn shown(part: &Expr) -> String {
    let bare = part.clone().transform(|part| match part {
        Expr::Column(Column { name, .. }) => {
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name))))
        }
        other => Ok(Transformed::no(other)),
    });
    let bare = bare.map_or_else(|_| part.clone(), |bare| bare.data);
    expr_to_sql(&bare).map_or_else(|_| bare.to_string(), |sql| sql.to_string())
}

/// The tables that a plan reads.
fn scanned(plan: &LogicalPlan) -> Vec<String> {
    let mut tables = BTreeSet::new();
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            tables.insert(scan.table_name.to_string());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    tables.into_iter().collect()
}
