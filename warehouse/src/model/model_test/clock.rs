//! The clock of a test: `now()` and its kin answer with the time of the case, or not at all.
//!
//! The engine takes the time from the system at the start of every plan, so the session's own
//! functions are put in a wrapping that gives them another start. A test that says no time gets
//! none: its outcome would depend on the day it runs.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::execution::FunctionRegistry as _;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion::prelude::SessionContext;

/// What asks for the time; each has aliases.
const CLOCKS: [&str; 3] = ["now", "current_date", "current_time"];

/// Stops the clock of a session.
pub(super) fn stop(session: &SessionContext, at: Option<DateTime<Utc>>) -> Result<()> {
    for name in CLOCKS {
        let inner = session.udf(name)?;
        session.register_udf(ScalarUDF::from(Stopped { inner, at }));
    }
    Ok(())
}

/// One of the engine's clocks, stopped.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Stopped {
    inner: Arc<ScalarUDF>,
    at: Option<DateTime<Utc>>,
}

impl ScalarUDFImpl for Stopped {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.inner.return_type(given)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let name = self.name();
        let Some(at) = self.at else {
            return plan_err!(
                "`{name}()` asks for the time, and the case says none: add a line at `2026-11-01T06:00:00Z`"
            );
        };
        let info = SimplifyContext::builder()
            .with_schema(Arc::clone(info.schema()))
            .with_config_options(Arc::clone(info.config_options()))
            .with_query_execution_start_time(Some(at))
            .build();
        self.inner.simplify(args, &info)
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("`{}()` is answered when it is planned", self.name())
    }
}
