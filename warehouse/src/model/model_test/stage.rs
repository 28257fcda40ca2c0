//! Models planned once and run again and again over other rows.
//!
//! Planning is nine tenths of a case's time, and a plan knows its tables only by name and type. So
//! every table is a slot whose rows are looked at when a plan runs, and a model's plan is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::DataFrame;

use super::clock;
use crate::model::build::opened;
use crate::model::complaint::explain;
use crate::model::definition::Model;
use crate::model::header::Kind;
use crate::model::references::Target;
use crate::model::scope::{Scope, plain};
use crate::{Error, Result};

/// How the scopes of tests differ from those of builds: the tables are small, so small batches do,
/// and a plan that is used again must not learn from the rows it ran over.
const SETTINGS: [(&str, &str); 2] = [
    ("datafusion.execution.batch_size", "256"),
    ("datafusion.optimizer.enable_dynamic_filter_pushdown", "false"),
];

/// All tables of a project at one time, and the plans of models over them.
pub(super) struct Stage {
    scope: Scope,
    at: Option<DateTime<Utc>>,
    slots: BTreeMap<String, Arc<Slot>>,
    plans: BTreeMap<String, Arc<dyn ExecutionPlan>>,
}

/// A scope for tests, with its clock stopped.
pub(super) fn scope(at: Option<DateTime<Utc>>) -> Result<Scope> {
    let scope = Scope::detached()?;
    for (key, value) in SETTINGS {
        scope.set(key, value)?;
    }
    clock::stop(scope.session(), at).map_err(Error::engine("stopping the clock"))?;
    Ok(scope)
}

impl Stage {
    pub(super) fn new<'a>(
        at: Option<DateTime<Utc>>,
        tables: impl IntoIterator<Item = (Target, &'a SchemaRef)>,
    ) -> Result<Self> {
        let mut stage =
            Self { scope: scope(at)?, at, slots: BTreeMap::new(), plans: BTreeMap::new() };
        for (target, schema) in tables {
            let name = target.name().to_owned();
            let slot = Arc::new(Slot { schema: Arc::clone(schema), rows: RwLock::default() });
            let table = StreamingTable::try_new(Arc::clone(schema), vec![Arc::clone(&slot) as _])
                .map_err(Error::engine(format!("preparing `{name}`")))?;
            stage.scope.add(&target, Arc::new(table))?;
            stage.slots.insert(name, slot);
        }
        Ok(stage)
    }

    /// Takes all rows away.
    pub(super) fn clear(&self) {
        self.slots.values().for_each(|slot| slot.put(Vec::new()));
    }

    /// Puts rows into a table.
    pub(super) fn put(&self, name: &str, rows: Vec<RecordBatch>) {
        if let Some(slot) = self.slots.get(name) {
            slot.put(rows);
        }
    }

    /// The rows of a model over what lies in the tables now; else why there are none.
    pub(super) async fn run(
        &mut self,
        model: &Model,
    ) -> std::result::Result<Vec<RecordBatch>, String> {
        let state = self.scope.session().state();
        let ran = |error| format!("does not run: {}", plain(&error));
        let plan = if let Some(plan) = self.plans.get(&model.name) {
            reset_plan_states(Arc::clone(plan)).map_err(ran)?
        } else {
            let logical = self.plan(model).await?;
            // A recursive plan keeps what it found.
            let is_kept = !logical
                .exists(|node| Ok(matches!(node, LogicalPlan::RecursiveQuery(_))))
                .map_err(ran)?;
            let plan =
                DataFrame::new(state.clone(), logical).create_physical_plan().await.map_err(ran)?;
            if is_kept {
                self.plans.insert(model.name.clone(), Arc::clone(&plan));
            }
            plan
        };
        collect(plan, Arc::new(TaskContext::from(&state))).await.map_err(ran)
    }

    async fn plan(&self, model: &Model) -> std::result::Result<LogicalPlan, String> {
        let planned = self.scope.plan(model.statement.clone()).await;
        let plan = planned
            .map_err(|error| format!("does not plan: {}", explain(&model.text, &error).message))?;
        if model.header.kind != Kind::Scd2 {
            return Ok(plan);
        }
        let Some(at) = self.at else {
            return Err("remembers since when a row holds, and the case says no time: add a line at `2026-11-01T06:00:00Z`".to_owned());
        };
        let frame = DataFrame::new(self.scope.session().state(), plan);
        let columns: Vec<String> =
            frame.schema().fields().iter().map(|field| field.name().clone()).collect();
        match opened(&model.header, at, frame, &columns) {
            Ok(versions) => Ok(versions.into_unoptimized_plan()),
            Err(error) => Err(format!("does not plan: {}", plain(&error))),
        }
    }
}

/// A table whose rows are those of the moment in which a plan runs.
#[derive(Debug)]
struct Slot {
    schema: SchemaRef,
    rows: RwLock<Vec<RecordBatch>>,
}

impl Slot {
    fn put(&self, rows: Vec<RecordBatch>) {
        *self.rows.write().unwrap_or_else(PoisonError::into_inner) = rows;
    }
}

impl PartitionStream for Slot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner).clone();
        let rows = futures::stream::iter(rows.into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}
