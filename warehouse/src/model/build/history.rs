//! Tables that remember: rows added once (`append`), and every version of a row (`scd2`).
//!
//! Neither is a function of what its inputs hold today, so neither is ever computed anew: a build
//! adds to what stands. Rows that a build wrote are never taken away; of a version only its end is
//! written later. Versions of one key never overlap, whatever `updated_at` says: the next begins
//! no earlier than the one before.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use datafusion::common::{DataFusionError, JoinType, ScalarValue};
use datafusion::functions::core::expr_fn::{coalesce, greatest};
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, binary_expr, cast, lit, not, when};
use datafusion::prelude::{DataFrame, ident};
use futures::TryStreamExt as _;
use rustc_hash::FxHashSet;

use super::compute::{Done, Task, layout};
use super::failure::Stop;
use super::way::{Choice, Way, choose};
use crate::model::checks::CheckResult;
use crate::model::header::{Header, IS_CURRENT, VALID_FROM, VALID_TO};
use crate::model::incremental::keys::{Keep, KeySet, key_hashes, wanted};
use crate::model::scope::{Scope, as_stored};
use crate::table::{Snapshot, merge};
use crate::{Error, Result};

/// Adds the rows whose key the table does not have.
pub(super) async fn append(
    task: &Task<'_>,
    scope: &Scope,
    plan: LogicalPlan,
    checks: &mut Vec<CheckResult>,
) -> Result<Done, Stop> {
    let base = task.base().await?;
    let mut rows_read = 0;
    let mut way = Way::Full(task.why_whole());
    let mut plan = stored(task, plan)?;
    if base.is_some() && !task.model.header.changed_by.is_empty() {
        // A key under which nothing changed brings no row that is not there.
        if let Choice::Keys { keys, inputs, rows_read: read } =
            choose(task, scope.session(), &plan).await?
        {
            let count = u64::try_from(keys.len().unwrap_or_default()).unwrap_or(u64::MAX);
            let (narrowed, found) = task.narrowed(scope, &plan, &Keep::of(keys)).await?;
            plan = narrowed;
            rows_read = read + found;
            way = Way::Keys { keys: count, inputs };
        }
    }
    let failed = || Error::engine(format!("finding new rows of `{}`", task.model.name));
    if let Some(base) = &base {
        let new = DataFrame::new(scope.session().state(), plan);
        plan = not_there(scope, new, base, &task.model.header.key).map_err(failed())?;
    }
    let (staged, read) = task.stage(scope, plan).await?;
    rows_read += read;
    let (Some(base), Some((at, _))) = (base, &task.standing) else {
        let staged = task.audit(scope, staged, None, checks).await?;
        let (rows, bag) = (staged.rows(), staged.bag());
        let (at, step) = staged.commit_step(None).await?;
        return Ok(Done { way, rows, rows_read, at, bag, step, basis: None, same: false });
    };
    if staged.rows() == 0 {
        staged.discard().await;
        return Ok(Done {
            way,
            rows: 0,
            rows_read,
            at: at.clone(),
            bag: None,
            step: None,
            basis: None,
            same: true,
        });
    }
    let staged = widened(task, staged, &base).await?;
    let nothing = lit(false);
    let hits = base.find_nothing();
    let table = staged.table().clone();
    let order = task.model.header.order();
    let stays = match base
        .without(scope.session(), &table, &nothing, hits, &order, &layout(task.model))
        .await
    {
        Ok(stays) => stays,
        Err(error) => return super::compute::discard(staged, error.into()).await,
    };
    let staged = task.audit(scope, staged.beside(stays), None, checks).await?;
    let rows = staged.rows();
    let (at, step) = staged.commit_step(Some(at)).await?;
    Ok(Done { way, rows, rows_read, at, bag: None, step, basis: None, same: false })
}

/// The plan in the types of its table, which its rows are compared with.
fn stored(task: &Task<'_>, plan: LogicalPlan) -> Result<LogicalPlan> {
    let name = &task.model.name;
    as_stored(name, plan).map_err(Error::engine(format!("reading the plan of `{name}`")))
}

/// The rows of `new` whose key `base` does not have.
fn not_there(
    scope: &Scope,
    new: DataFrame,
    base: &Snapshot,
    key: &[String],
) -> Result<LogicalPlan, DataFusionError> {
    let provider = base.provider().map_err(|error| DataFusionError::External(Box::new(error)))?;
    let there = scope.session().read_table(provider)?;
    let columns = key.iter().enumerate().map(|(n, name)| {
        comparable(ident(name.as_str()), there.schema(), name).alias(format!("there_{n}"))
    });
    let columns: Vec<Expr> = columns.collect();
    let there = there.select(columns)?.into_unoptimized_plan();
    let there = DataFrame::new(scope.session().state(), there);
    let on = key.iter().enumerate().map(|(n, name)| {
        comparable(ident(name.as_str()), new.schema(), name).eq(ident(format!("there_{n}")))
    });
    let on: Vec<Expr> = on.collect();
    Ok(new.join_on(there, JoinType::LeftAnti, on)?.into_unoptimized_plan())
}

/// A sort-merge join cannot compare timestamps with a zone; it can compare their microseconds.
fn comparable(expr: Expr, schema: &datafusion::common::DFSchema, name: &str) -> Expr {
    match schema.field_with_unqualified_name(name).map(|field| field.data_type().clone()) {
        Ok(DataType::Timestamp(_, Some(_))) => cast(expr, DataType::Int64),
        _ => expr,
    }
}

/// Ends the versions that no longer hold and begins those that do.
pub(super) async fn versions(
    task: &Task<'_>,
    scope: &Scope,
    plan: LogicalPlan,
    checks: &mut Vec<CheckResult>,
) -> Result<Done, Stop> {
    let failed = || Error::engine(format!("finding what changed in `{}`", task.model.name));
    let way = Way::Full(task.why_whole());
    let new = DataFrame::new(scope.session().state(), stored(task, plan)?);
    let columns: Vec<String> =
        new.schema().fields().iter().map(|field| field.name().clone()).collect();
    let base = task.base().await?;
    let (Some(base), Some((at, _))) = (&base, &task.standing) else {
        let header = &task.model.header;
        let opened = opened(header, task.now, new, &columns).map_err(failed())?;
        let (staged, rows_read) = task.stage(scope, opened.into_unoptimized_plan()).await?;
        let staged = task.audit(scope, staged, None, checks).await?;
        let rows = staged.rows();
        let (at, step) = staged.commit_step(None).await?;
        return Ok(Done { way, rows, rows_read, at, bag: None, step, basis: None, same: false });
    };
    let compared = Compared::of(task, scope, new, base, &columns).map_err(failed())?;
    // Which versions end, or never held for any time.
    let mut ended = FxHashSet::default();
    let mut stream = compared.ended().map_err(failed())?.execute_stream().await.map_err(failed())?;
    while let Some(batch) = stream.try_next().await.map_err(failed())? {
        ended.extend(key_hashes(batch.columns(), batch.num_rows()).map_err(failed())?);
    }
    let rows = compared.rows(task).map_err(failed())?;
    let (staged, rows_read) = task.stage(scope, rows.into_unoptimized_plan()).await?;
    if staged.rows() == 0 && ended.is_empty() {
        staged.discard().await;
        return Ok(Done {
            way,
            rows: 0,
            rows_read,
            at: at.clone(),
            bag: None,
            step: None,
            basis: None,
            same: true,
        });
    }
    let staged = widened(task, staged, base).await?;
    let keys = Keep::of(KeySet::Changed { hashes: ended, bounds: None });
    let named = task.model.header.key.iter().map(String::as_str).chain([VALID_FROM]).map(ident);
    let goes = wanted(&keys, &named.collect::<Vec<_>>());
    let hits = base.find(scope.session(), &goes, None).await?;
    let table = staged.table().clone();
    let order = task.model.header.order();
    let stays =
        match base.without(scope.session(), &table, &goes, hits, &order, &layout(task.model)).await
        {
            Ok(stays) => stays,
            Err(error) => return super::compute::discard(staged, error.into()).await,
        };
    let staged = task.audit(scope, staged.beside(stays), None, checks).await?;
    let rows = staged.rows();
    let (at, step) = staged.commit_step(Some(at)).await?;
    Ok(Done { way, rows, rows_read, at, bag: None, step, basis: None, same: false })
}

/// The rows of today beside the versions that held until now, joined by key.
struct Compared {
    joined: DataFrame,
    key: Vec<String>,
    /// Of today's rows.
    columns: Vec<String>,
    /// Of the table; may have columns that the model has no longer.
    standing: SchemaRef,
    /// Both rows are there and differ.
    differs: Expr,
    now: Expr,
}

const NEW: &str = "new_";
const OLD: &str = "old_";
const GONE: &str = "gone_";
const GONE_AT: &str = "gone_at";

fn new_column(name: &str) -> Expr {
    ident(format!("{NEW}{name}"))
}

fn old_column(name: &str) -> Expr {
    ident(format!("{OLD}{name}"))
}

impl Compared {
    fn of(
        task: &Task<'_>,
        scope: &Scope,
        new: DataFrame,
        base: &Snapshot,
        columns: &[String],
    ) -> Result<Self, DataFusionError> {
        let key = task.model.header.key.clone();
        let provider =
            base.provider().map_err(|error| DataFusionError::External(Box::new(error)))?;
        let current = scope.session().read_table(provider)?.filter(ident(IS_CURRENT))?;
        let standing = base.schema();
        let renamed = |frame: DataFrame, prefix: &str| {
            let schema = frame.schema().clone();
            let names = schema.fields().iter().map(|field| field.name().clone());
            let columns =
                names.clone().map(|name| ident(name.as_str()).alias(format!("{prefix}{name}")));
            // What the join compares, beside the columns themselves.
            let keys = key.iter().enumerate().map(|(n, name)| {
                comparable(ident(name.as_str()), &schema, name).alias(format!("{prefix}key_{n}"))
            });
            frame.select(columns.chain(keys).collect::<Vec<_>>())
        };
        let new = renamed(new, NEW)?;
        let old = renamed(current, OLD)?;
        let on = (0..key.len())
            .map(|n| ident(format!("{NEW}key_{n}")).eq(ident(format!("{OLD}key_{n}"))));
        let on: Vec<Expr> = on.collect();
        let joined = new.join_on(old, JoinType::Full, on)?;
        let joined =
            joined.join_on(gone(scope, base, &key)?, JoinType::Left, gone_on(key.len()))?;
        let own = [VALID_FROM, VALID_TO, IS_CURRENT];
        let differs = columns
            .iter()
            .filter(|name| !key.contains(name) && !own.contains(&name.as_str()))
            .filter(|name| task.model.header.updated_at.as_ref() != Some(name))
            .map(|name| match standing.field_with_name(name) {
                Ok(_) => binary_expr(new_column(name), Operator::IsDistinctFrom, old_column(name)),
                Err(_) => new_column(name).is_not_null(),
            })
            .fold(lit(false), Expr::or);
        let now = lit(ScalarValue::TimestampMicrosecond(
            Some(task.now.timestamp_micros()),
            Some("UTC".into()),
        ));
        Ok(Self { joined, key, columns: columns.to_vec(), standing, differs, now })
    }

    fn first_key(&self, column: fn(&str) -> Expr) -> Expr {
        self.key.first().map_or_else(|| lit(true), |key| column(key))
    }

    fn is_new(&self) -> Expr {
        self.first_key(old_column).is_null()
    }

    fn is_gone(&self) -> Expr {
        self.first_key(new_column).is_null()
    }

    fn changed(&self) -> Expr {
        not(self.is_new()).and(not(self.is_gone())).and(self.differs.clone())
    }

    /// Since when today's row holds: since it was updated, but not before the version that it
    /// follows ended, nor before one began that readers have seen.
    fn since(&self, task: &Task<'_>) -> Result<Expr, DataFusionError> {
        let updated = match &task.model.header.updated_at {
            Some(column) => coalesce(vec![as_time(new_column(column)), self.now.clone()]),
            None => self.now.clone(),
        };
        let began = old_column(VALID_FROM);
        let ended = ident(GONE_AT);
        let before = |at: &Expr| binary_expr(updated.clone(), Operator::LtEq, at.clone());
        when(before(&began), greatest(vec![self.now.clone(), began.clone()]))
            .when(self.is_new().and(before(&ended)), ended.clone())
            .otherwise(updated.clone())
    }

    /// Key and beginning of every version that does not stay as it is.
    fn ended(&self) -> Result<DataFrame, DataFusionError> {
        let named = self.key.iter().map(String::as_str).chain([VALID_FROM]);
        let columns: Vec<Expr> = named.map(old_column).collect();
        let ends = not(self.is_new()).and(self.is_gone().or(self.differs.clone()));
        self.joined.clone().filter(ends)?.select(columns)
    }

    /// The versions that end, with their end, and those that begin.
    fn rows(&self, task: &Task<'_>) -> Result<DataFrame, DataFusionError> {
        let since = self.since(task)?;
        let end = when(self.is_gone(), self.now.clone()).otherwise(since.clone())?;
        let ends = not(self.is_new()).and(self.is_gone().or(self.differs.clone()));
        // One that begins in what is the future has never held.
        let held = binary_expr(old_column(VALID_FROM), Operator::Lt, end.clone());
        let ending = self.standing.fields().iter().map(|field| match field.name().as_str() {
            VALID_TO => as_time(end.clone()).alias(VALID_TO),
            IS_CURRENT => lit(false).alias(IS_CURRENT),
            name => old_column(name).alias(name),
        });
        let ending: Vec<Expr> = ending.collect();
        let ending = self.joined.clone().filter(ends.and(held))?.select(ending)?;
        let beginning = self.standing.fields().iter().map(|field| match field.name().as_str() {
            VALID_FROM => as_time(since.clone()).alias(VALID_FROM),
            VALID_TO => cast(lit(ScalarValue::Null), field.data_type().clone()).alias(VALID_TO),
            IS_CURRENT => lit(true).alias(IS_CURRENT),
            name if self.columns.iter().any(|column| column == name) => {
                new_column(name).alias(name)
            }
            name => cast(lit(ScalarValue::Null), field.data_type().clone()).alias(name),
        });
        let more = |name: &&String| self.standing.field_with_name(name).is_err();
        let added = self.columns.iter().filter(more);
        let beginning: Vec<Expr> =
            beginning.chain(added.clone().map(|name| new_column(name).alias(name))).collect();
        let begins = self.is_new().or(self.changed());
        let beginning = self.joined.clone().filter(begins)?.select(beginning)?;
        // Columns that the table gets with this build are null in what ended.
        let schema = beginning.schema().clone();
        let nulls = added.filter_map(|name| {
            let field = schema.field_with_unqualified_name(name).ok()?;
            Some(cast(lit(ScalarValue::Null), field.data_type().clone()).alias(name))
        });
        let own = self.standing.fields().iter().map(|field| ident(field.name().as_str()));
        let ending = ending.select(own.chain(nulls).collect::<Vec<_>>())?;
        ending.union(beginning)
    }
}

/// Of every key when its last ended version ended.
fn gone(scope: &Scope, base: &Snapshot, key: &[String]) -> Result<DataFrame, DataFusionError> {
    let provider = base.provider().map_err(|error| DataFusionError::External(Box::new(error)))?;
    let ended = scope.session().read_table(provider)?.filter(not(ident(IS_CURRENT)))?;
    let schema = ended.schema().clone();
    let by = key.iter().enumerate().map(|(n, name)| {
        comparable(ident(name.as_str()), &schema, name).alias(format!("{GONE}key_{n}"))
    });
    ended.aggregate(by.collect(), vec![max(ident(VALID_TO)).alias(GONE_AT)])
}

fn gone_on(parts: usize) -> Vec<Expr> {
    let on = (0..parts).map(|n| ident(format!("{NEW}key_{n}")).eq(ident(format!("{GONE}key_{n}"))));
    on.collect()
}

fn as_time(expr: Expr) -> Expr {
    cast(expr, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
}

/// The first versions: they hold since they were updated, or since now.
pub(crate) fn opened(
    header: &Header,
    now: DateTime<Utc>,
    new: DataFrame,
    columns: &[String],
) -> Result<DataFrame, DataFusionError> {
    let now =
        lit(ScalarValue::TimestampMicrosecond(Some(now.timestamp_micros()), Some("UTC".into())));
    let since = match &header.updated_at {
        Some(column) => coalesce(vec![as_time(ident(column.as_str())), now]),
        None => now,
    };
    let own = [
        as_time(since).alias(VALID_FROM),
        as_time(lit(ScalarValue::Null)).alias(VALID_TO),
        lit(true).alias(IS_CURRENT),
    ];
    let columns = columns.iter().map(|name| ident(name.as_str()));
    new.select(columns.chain(own).collect::<Vec<_>>())
}

/// The staged rows with the columns that only the standing table has.
async fn widened(
    task: &Task<'_>,
    staged: crate::table::Staged,
    base: &Snapshot,
) -> Result<crate::table::Staged, Stop> {
    let name = &task.model.name;
    let (standing, given): (SchemaRef, SchemaRef) = (base.schema(), staged.schema());
    match merge(name, &standing, &given) {
        Ok(wider) => {
            let schema: Arc<Schema> = wider.unwrap_or(standing);
            Ok(staged.with_schema(schema))
        }
        Err(error) => super::compute::discard(staged, error.into()).await,
    }
}
