//! What a statement can see: tables registered under the names that SQL knows them by.
//!
//! Models and `ops.*` lie in the default catalog, `raw.*` is a catalog of its own. A view is not a
//! table: its plan is pasted into the plan that reads it, with its types brought to the stored form,
//! so that a view reads like the table it would be.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::{
    CatalogProvider as _, MemoryCatalogProvider, MemorySchemaProvider, TableProvider,
};
use datafusion::common::DataFusionError;
use datafusion::datasource::ViewTable;
use datafusion::execution::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::prelude::{SQLOptions, SessionContext};
use datafusion::sql::parser::Statement;

use super::references::{Target, lower_first};
use crate::session::{self, Options};
use crate::table::stored_schema;
use crate::{Error, Result, functions};

const CATALOG: &str = "datafusion";

/// A session and the tables in it.
pub(crate) struct Scope {
    session: SessionContext,
    raw: Arc<MemoryCatalogProvider>,
}

impl Scope {
    pub(crate) fn new(session: SessionContext) -> Result<Self> {
        functions::register(&session);
        let raw = Arc::new(MemoryCatalogProvider::new());
        session.register_catalog("raw", Arc::clone(&raw) as _);
        if let Some(catalog) = session.catalog(CATALOG) {
            catalog
                .register_schema("ops", Arc::new(MemorySchemaProvider::new()))
                .map_err(Error::engine("setting up `ops`"))?;
        }
        Ok(Self { session, raw })
    }

    /// Sets an option of the engine from now on.
    pub(crate) fn set(&self, key: &str, value: &str) -> Result<()> {
        let state = self.session.state_ref();
        let set = state.write().config_mut().options_mut().set(key, value);
        set.map_err(Error::engine(format!("setting `{key}`")))
    }

    /// A scope of its own, for planning without a warehouse.
    pub(crate) fn detached() -> Result<Self> {
        let runtime = Arc::new(RuntimeEnv::default());
        Self::new(session::context(&runtime, &Options::default())?)
    }

    pub(crate) fn session(&self) -> &SessionContext {
        &self.session
    }

    /// Makes `provider` known as `target`, in place of what was known so.
    pub(crate) fn add(&self, target: &Target, provider: Arc<dyn TableProvider>) -> Result<()> {
        let name = target.name();
        let failed = || Error::engine(format!("registering `{name}`"));
        match target {
            Target::Raw(_) => {
                let mut parts = name.splitn(3, '.').skip(1);
                let (Some(source), Some(stream)) = (parts.next(), parts.next()) else {
                    return Err(Error::Name(name.to_owned()));
                };
                let schema = if let Some(schema) = self.raw.schema(source) {
                    schema
                } else {
                    let schema = Arc::new(MemorySchemaProvider::new());
                    let known = self.raw.register_schema(source, Arc::clone(&schema) as _);
                    drop(known.map_err(failed())?);
                    schema
                };
                drop(schema.deregister_table(stream).map_err(failed())?);
                drop(schema.register_table(stream.to_owned(), provider).map_err(failed())?);
            }
            Target::Ops(_) | Target::Model(_) | Target::Other(_) => {
                drop(self.session.deregister_table(name).map_err(failed())?);
                drop(self.session.register_table(name, provider).map_err(failed())?);
            }
        }
        Ok(())
    }

    /// Plans a read-only statement over the registered tables and checks its types.
    pub(crate) async fn plan(&self, statement: Statement) -> Result<LogicalPlan, DataFusionError> {
        let state = self.session.state();
        with_casts(&state, plan_as_written(&state, statement).await?)
    }

    /// Plans a view, ready to be pasted into what reads it.
    pub(crate) async fn view(
        &self,
        name: &str,
        statement: Statement,
    ) -> Result<ViewTable, DataFusionError> {
        let plan = as_stored(name, self.plan(statement).await?)?;
        Ok(ViewTable::new(plan, None))
    }
}

/// Plans a read-only statement, without the casts that bring its types together.
///
/// A state is a copy of hundreds of functions, and sees tables that are added to its scope later: who
/// plans much takes one for all.
pub(crate) async fn plan_as_written(
    state: &SessionState,
    statement: Statement,
) -> Result<LogicalPlan, DataFusionError> {
    let plan = state.statement_to_plan(statement).await?;
    let read_only =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(&plan)?;
    Ok(plan)
}

/// Brings the types of a plan together, or says why they do not go together.
pub(crate) fn with_casts(
    state: &SessionState,
    plan: LogicalPlan,
) -> Result<LogicalPlan, DataFusionError> {
    state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})
}

/// Casts the columns whose type would be stored as another.
pub(crate) fn as_stored(name: &str, plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let given = Arc::clone(plan.schema());
    let stored = stored_schema(name, given.as_arrow())
        .map_err(|error| DataFusionError::Plan(error.to_string()))?;
    let same = |from: &Schema, to: &Schema| {
        from.fields()
            .iter()
            .zip(to.fields())
            .all(|(from, to)| from.data_type().equals_datatype(to.data_type()))
    };
    if same(given.as_arrow(), &stored) {
        return Ok(plan);
    }
    let columns = given.iter().zip(stored.fields()).map(|((qualifier, field), to)| {
        let column = Expr::from((qualifier, field));
        if field.data_type().equals_datatype(to.data_type()) {
            column
        } else {
            cast(column, to.data_type().clone()).alias(field.name())
        }
    });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// The message of an engine's error without its wrappings, for people.
pub(crate) fn plain(error: &DataFusionError) -> Cow<'static, str> {
    let text = error.find_root().strip_backtrace();
    let text = text.split("\n\nbacktrace:").next().unwrap_or(&text);
    let prefixes = [
        "Error during planning: ",
        "Execution error: ",
        "Schema error: ",
        "External error: ",
        "Arrow error: ",
        "This feature is not implemented: ",
        "Internal error: ",
        "type_coercion\ncaused by\n",
    ];
    let mut text = text.trim();
    while let Some(rest) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    let text = text.split("\nThis issue was likely caused by a bug").next().unwrap_or(text);
    Cow::Owned(lower_first(text))
}
