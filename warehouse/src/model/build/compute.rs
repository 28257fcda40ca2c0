//! One model: its rows computed into files, audited, and made its table.
//!
//! Until the commit nobody sees anything; whatever goes wrong before it, the files are thrown away
//! and the table stays. The table is always computed from the version that the standing release
//! names, whatever a build that never published left in its log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, not};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream_partitioned};
use datafusion::prelude::{DataFrame, Expr, ident};

use super::backfill::{Progress, Reached};
use super::calendar::Calendar;
use super::failure::Stop;
use super::history;
use super::report::{Failure, ModelReport};
use super::way::{Choice, Way, Why, choose, stale, version};
use crate::environment::Environment;
use crate::model::check::outputs;
use crate::model::checks::{
    Audit, CheckResult, CheckStatus, History, Kept, Night, Proof, Trusted, compared_with,
};
use crate::model::complaint::explain;
use crate::model::definition::Model;
use crate::model::header::{Header, Kind};
use crate::model::incremental::changes::fill;
use crate::model::incremental::keys::{Keep, KeySet, wanted};
use crate::model::incremental::reach::{Keys, Narrowed, narrow};
use crate::model::inputs::Inputs;
use crate::model::scope::Scope;
use crate::release::{Basis, TableAt};
use crate::table::{Bag, Layout, Snapshot, Staged, Step};
use crate::{Error, Result};

/// Rows of a batch. Sorts and their merges hold several batches of each of their inputs, so wide
/// rows in large batches starve in a pool that many of them share.
const BATCH_ROWS: &str = "8192";
/// Rows of a batch once memory was short.
const ROWS_WHEN_STARVED: &str = "1024";

/// Rows of a file of a table of which parts are replaced: what changes of a night lies in few of
/// them, and what is written anew for it is little.
const FILE_ROWS: u64 = 65_536;

/// A table is computed whole when more than one row of so many is replaced.
const MOST_CHANGED: u64 = 3;

/// How much is tried at a time, the more careful the later in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effort {
    /// Beside other models.
    Beside,
    /// Alone, with small batches.
    Alone,
    /// Alone, one part of the keys after the other.
    InParts(u64),
}

impl Effort {
    /// What to try after memory was short; `None` when there is nothing more careful.
    pub(super) fn next(self, model: &Model) -> Option<Self> {
        match self {
            Self::Beside => Some(Self::Alone),
            Self::Alone if !model.header.changed_by.is_empty() => Some(Self::InParts(4)),
            Self::InParts(parts) if parts < 64 => Some(Self::InParts(parts * 4)),
            Self::Alone | Self::InParts(_) => None,
        }
    }
}

/// What one model is built from.
#[derive(Clone)]
pub(super) struct Task<'a> {
    pub(super) inputs: Inputs<'a>,
    pub(super) environment: &'a Environment,
    pub(super) model: &'a Model,
    /// Its table in the release that stands, and what that was computed from.
    pub(super) standing: Option<(TableAt, Basis)>,
    /// Its table in `prod`, where that is another environment.
    pub(super) in_prod: Option<(TableAt, Basis)>,
    /// What it would be computed from now.
    pub(super) basis: Basis,
    /// Whole, whatever changed.
    pub(super) whole: bool,
    /// Inputs whose tables keep the promises of their headers.
    pub(super) trusted: Trusted<'a>,
    /// What the tables measured in the builds before.
    pub(super) history: Arc<History>,
    pub(super) now: DateTime<Utc>,
    pub(super) effort: Effort,
    /// The table stands, and is only looked at.
    pub(super) again: Option<Again>,
    /// The backfill that it is a part of.
    pub(super) backfill: Option<Arc<Progress>>,
}

/// A table that stands, of which some checks must be made again.
#[derive(Clone)]
pub(super) struct Again {
    pub(super) report: ModelReport,
    /// Models that its rows refer to and that changed.
    pub(super) moved: BTreeSet<String>,
}

/// A model that ran.
pub(super) struct Ran<'a> {
    pub(super) task: Task<'a>,
    pub(super) seconds: f64,
    pub(super) checks: Vec<CheckResult>,
    /// It ran out of memory.
    pub(super) starved: bool,
    /// `None` for a table that stands.
    pub(super) outcome: Result<Option<Done>, Failure>,
}

/// What became of a model's table.
pub(super) struct Done {
    pub(super) way: Way,
    /// Rows written.
    pub(super) rows: u64,
    /// Rows that came out of tables, to find what changed and to compute.
    pub(super) rows_read: u64,
    pub(super) at: TableAt,
    pub(super) bag: Option<Bag>,
    /// What was replaced, if not all was.
    pub(super) step: Option<Step>,
    /// What the table is computed from, where that is not what there is now.
    pub(super) basis: Option<Basis>,
    /// The rows are those that stood there before.
    pub(super) same: bool,
}

impl<'a> Task<'a> {
    pub(super) async fn run(self) -> Ran<'a> {
        let start = Instant::now();
        let mut checks = Vec::new();
        let outcome = match &self.again {
            Some(again) => self.look_again(again, &mut checks).await.map(|()| None),
            None => self.build_and_say(&mut checks).await.map(Some),
        };
        let starved = matches!(&outcome, Err(stop) if stop.is_starved());
        let outcome = outcome.map_err(|stop| stop.failure(self.model, self.inputs.warehouse));
        Ran { task: self, seconds: start.elapsed().as_secs_f64(), checks, starved, outcome }
    }

    /// Builds it, and writes down that it is through if it is part of a backfill.
    async fn build_and_say(&self, checks: &mut Vec<CheckResult>) -> Result<Done, Stop> {
        let done = self.build(checks).await?;
        if let Some(progress) = &self.backfill {
            let basis = done.basis.as_ref().unwrap_or(&self.basis).clone();
            let rows = done.bag.map(Bag::digest);
            let basis = Some(Basis { rows: rows.clone(), ..basis });
            let months = progress.reached(&self.model.name).await.months;
            let reached = Reached { months, at: Some(done.at.clone()), rows, basis };
            progress.reach(&self.model.name, reached).await?;
        }
        Ok(done)
    }

    /// Answers the checks of a table that stands which may hold no longer.
    async fn look_again(&self, again: &Again, checks: &mut Vec<CheckResult>) -> Result<(), Stop> {
        let Some((at, _)) = &self.standing else { return Ok(()) };
        let scope = Scope::new(self.inputs.warehouse.session()?)?;
        self.inputs.fill_compared(&scope, self.model).await?;
        let name = &self.model.name;
        let table = version(self.inputs.warehouse, self.inputs.project, name, at).await?;
        let model = self.model.as_stored();
        let audit = Audit::new(&scope, &model, table.provider()?)
            .with_night(Night { now: self.now, history: &self.history });
        *checks = audit.again(again.moved.clone()).run().await?;
        blocked(checks).map_or(Ok(()), |failed| Err(Stop::Checks(failed)))
    }

    async fn build(&self, checks: &mut Vec<CheckResult>) -> Result<Done, Stop> {
        let scope = Scope::new(self.inputs.warehouse.session()?)?;
        let careful = self.effort != Effort::Beside;
        scope.set(
            "datafusion.execution.batch_size",
            if careful { ROWS_WHEN_STARVED } else { BATCH_ROWS },
        )?;
        self.inputs.fill(&scope, &self.model.references).await?;
        self.inputs.fill_compared(&scope, self.model).await?;
        let plan = self.plan(&scope).await?;
        match self.model.header.kind {
            Kind::View | Kind::Full => {
                let why = self.why_whole();
                self.whole(&scope, plan, why, 0, checks).await
            }
            Kind::Merge if let Some((progress, calendar)) = self.calendar() => {
                self.months(&scope, plan, progress, calendar, checks).await
            }
            Kind::Merge => match choose(self, scope.session(), &plan).await? {
                Choice::Full(why) => self.whole(&scope, plan, why, 0, checks).await,
                Choice::Keys { keys, inputs, rows_read } => {
                    let found = Found { keys, inputs, rows_read, limit: Some(MOST_CHANGED) };
                    self.keys(&scope, plan, found, checks).await
                }
            },
            Kind::Append => history::append(self, &scope, plan, checks).await,
            Kind::Scd2 => history::versions(self, &scope, plan, checks).await,
        }
    }

    /// The months by whose keys it is built.
    fn calendar(&self) -> Option<(&Progress, &Calendar)> {
        let progress = self.backfill.as_deref()?;
        Some((progress, progress.calendar(self.model)?))
    }

    pub(super) fn why_whole(&self) -> Why {
        match &self.standing {
            None => Why::First,
            Some(_) if self.whole => Why::Asked,
            Some((at, _)) if at.environment != *self.environment => Why::FirstHere,
            Some((_, basis)) => stale(basis, &self.basis).unwrap_or(Why::Asked),
        }
    }

    /// The model's plan, which must keep its contract at night too, whatever was checked before.
    async fn plan(&self, scope: &Scope) -> Result<LogicalPlan> {
        let model = self.model;
        let plan = match scope.plan(model.statement.clone()).await {
            Ok(plan) => plan,
            Err(error) => {
                let spot = explain(&model.text, &error);
                let finding = spot.place.finding(spot.code, &model.path, spot.message, spot.hint);
                return Err(Error::Findings(vec![finding]));
            }
        };
        let mut findings = Vec::new();
        if outputs(scope, model, &plan, &mut findings).is_none() || !findings.is_empty() {
            return Err(Error::Findings(findings));
        }
        Ok(plan)
    }

    /// The table that stands, where it is one of this environment.
    pub(super) async fn base(&self) -> Result<Option<Snapshot>> {
        let Some((at, _)) = &self.standing else { return Ok(None) };
        if at.environment != *self.environment {
            return Ok(None);
        }
        version(self.inputs.warehouse, self.inputs.project, &self.model.name, at).await.map(Some)
    }

    async fn whole(
        &self,
        scope: &Scope,
        plan: LogicalPlan,
        why: Why,
        rows_read: u64,
        checks: &mut Vec<CheckResult>,
    ) -> Result<Done, Stop> {
        let (staged, read) = match self.effort {
            Effort::InParts(parts) => self.stage_in_parts(scope, &plan, parts).await?,
            Effort::Beside | Effort::Alone => self.stage(scope, plan.clone()).await?,
        };
        let rows_read = rows_read + read;
        let way = Way::Full(why);
        let staged = self.audit(scope, staged, Some(&plan), checks).await?;
        let bag = staged.bag();
        if let Some(at) = self.holding(&staged).await? {
            staged.discard().await;
            return Ok(Done {
                way,
                rows: 0,
                rows_read,
                at,
                bag,
                step: None,
                basis: None,
                same: true,
            });
        }
        let rows = staged.rows();
        let (at, step) = staged.commit_step(None).await?;
        Ok(Done { way, rows, rows_read, at, bag, step, basis: None, same: false })
    }

    /// A table that holds just the staged rows already: the one that stands, or `prod`'s.
    async fn holding(&self, staged: &Staged) -> Result<Option<TableAt>> {
        let Some(digest) = staged.bag().map(Bag::digest) else { return Ok(None) };
        for (at, basis) in self.standing.iter().chain(&self.in_prod) {
            if basis.rows.as_ref() != Some(&digest) || basis.header != self.basis.header {
                continue;
            }
            let table =
                version(self.inputs.warehouse, self.inputs.project, &self.model.name, at).await;
            if table.is_ok_and(|table| table.schema() == staged.schema()) {
                return Ok(Some(at.clone()));
            }
        }
        Ok(None)
    }

    /// The rows of the keys that changed, in place of those that stand.
    pub(super) async fn keys(
        &self,
        scope: &Scope,
        plan: LogicalPlan,
        found: Found,
        checks: &mut Vec<CheckResult>,
    ) -> Result<Done, Stop> {
        let Found { keys, inputs, mut rows_read, limit } = found;
        let (Some(base), Some((at, basis))) = (self.base().await?, &self.standing) else {
            return self.whole(scope, plan, Why::First, rows_read, checks).await;
        };
        let count = u64::try_from(keys.len().unwrap_or_default()).unwrap_or(u64::MAX);
        let way = Way::Keys { keys: count, inputs };
        let bag = basis.rows.as_deref().and_then(Bag::parse);
        let same = |rows_read, way| {
            let at = at.clone();
            Done { way, rows: 0, rows_read, at, bag, step: None, basis: None, same: true }
        };
        if keys.is_empty() {
            return Ok(same(rows_read, way));
        }
        let columns = self.model.header.changed_by.iter().map(|name| ident(name.as_str()));
        let keep = Keep::of(keys);
        let goes = wanted(&keep, &columns.collect::<Keys>());
        // Late filters: of a file only the key is decoded until a row is wanted.
        scope.set("datafusion.execution.parquet.pushdown_filters", "true")?;
        let first = self.model.header.changed_by.first().map(String::as_str);
        let within = keep.keys().and_then(KeySet::text_bounds).zip(first);
        let within = within.map(|((low, high), column)| (column, low, high));
        let hits = base.find(scope.session(), &goes, within).await?;
        rows_read += hits.rows();
        if limit.is_some_and(|most| hits.rows() > base.rows() / most) {
            let why = Why::TooMany { rows: hits.rows(), of: base.rows() };
            scope.set("datafusion.execution.parquet.pushdown_filters", "false")?;
            return self.whole(scope, plan, why, rows_read, checks).await;
        }
        let (narrowed, read) = self.narrowed(scope, &plan, &keep).await?;
        rows_read += read;
        let (staged, read) = self.stage(scope, narrowed.clone()).await?;
        rows_read += read;
        let gone = hits.bag();
        if staged.bag() == Some(gone) {
            let stays = match base.provider().and_then(|rows| staying(scope, rows, &goes)) {
                Ok(stays) => stays,
                Err(error) => return discard(staged, error.into()).await,
            };
            let plan = Some(&narrowed);
            let staged = self.audit_beside(scope, staged, Some(stays), plan, checks).await?;
            staged.discard().await;
            return Ok(same(rows_read, way));
        }
        let table = staged.table().clone();
        let order = self.model.header.order();
        let stays = match base
            .without(scope.session(), &table, &goes, hits, &order, &layout(self.model))
            .await
        {
            Ok(stays) => stays,
            Err(error) => return discard(staged, error.into()).await,
        };
        rows_read += stays.rows_moved();
        let bag = bag.zip(staged.bag()).map(|(all, new)| all.minus(gone).plus(new));
        let staged = self.audit(scope, staged.beside(stays), Some(&narrowed), checks).await?;
        let rows = staged.rows();
        let (at, step) = staged.commit_step(Some(at)).await?;
        Ok(Done { way, rows, rows_read, at, bag, step, basis: None, same: false })
    }

    /// The plan for these keys only, ready to run; how many rows it took to find what it needs.
    pub(super) async fn narrowed(
        &self,
        scope: &Scope,
        plan: &LogicalPlan,
        keep: &Arc<Keep>,
    ) -> Result<(LogicalPlan, u64)> {
        let failed = || Error::engine(format!("narrowing `{}`", self.model.name));
        let Narrowed { plan, fills } =
            narrow(plan, &self.model.header.changed_by, keep).map_err(failed())?;
        let rows_read = fill(scope.session(), &fills).await.map_err(failed())?;
        Ok((plan, rows_read))
    }

    /// Writes the rows of a plan; how many rows its tables gave for it comes beside.
    pub(super) async fn stage(&self, scope: &Scope, plan: LogicalPlan) -> Result<(Staged, u64)> {
        let failed = || Error::engine(format!("computing `{}`", self.model.name));
        let frame = DataFrame::new(scope.session().state(), plan);
        let table =
            self.inputs.warehouse.table(&self.model.table_name().built_in(self.environment));
        let context = scope.session().task_ctx();
        let plan = frame.create_physical_plan().await.map_err(failed())?;
        let mut plan = sorted(plan, &self.model.header.order()).map_err(failed())?;
        if layout(self.model).file_rows.is_some() {
            plan = in_one_order(plan);
        }
        let streams = execute_stream_partitioned(Arc::clone(&plan), context).map_err(failed())?;
        let staged = table.stage_laid_out(streams, &layout(self.model)).await?;
        Ok((staged, rows_read(&plan)))
    }

    /// Like [`Task::stage`], one part of the keys after the other, each in the memory of a part.
    async fn stage_in_parts(
        &self,
        scope: &Scope,
        plan: &LogicalPlan,
        of: u64,
    ) -> Result<(Staged, u64)> {
        let mut all: Option<Staged> = None;
        let mut read = 0;
        for index in 0..of {
            let keep = Keep::of(KeySet::Part { index, of });
            let part = match self.narrowed(scope, plan, &keep).await {
                Ok((part, found)) => self.stage(scope, part).await.map(|part| (part, found)),
                Err(error) => Err(error),
            };
            match part {
                Ok(((staged, rows), found)) => {
                    read += rows + found;
                    all = Some(match all {
                        Some(all) => all.with(staged),
                        None => staged,
                    });
                }
                Err(error) => {
                    if let Some(all) = all {
                        all.discard().await;
                    }
                    return Err(error);
                }
            }
        }
        all.map(|all| (all, read)).ok_or_else(|| Error::NotBuilt { model: self.model.name.clone() })
    }

    /// Answers all checks of the table that the staged rows and what stays beside them will be; the
    /// staged rows come back only if nothing blocks. What `plan` proves of them is not looked at.
    pub(super) async fn audit(
        &self,
        scope: &Scope,
        staged: Staged,
        plan: Option<&LogicalPlan>,
        checks: &mut Vec<CheckResult>,
    ) -> Result<Staged, Stop> {
        match staged.standing() {
            Ok(stays) => self.audit_beside(scope, staged, stays, plan, checks).await,
            Err(error) => discard(staged, error.into()).await,
        }
    }

    async fn audit_beside(
        &self,
        scope: &Scope,
        staged: Staged,
        stays: Option<Arc<dyn TableProvider>>,
        plan: Option<&LogicalPlan>,
        checks: &mut Vec<CheckResult>,
    ) -> Result<Staged, Stop> {
        let rows = match staged.provider() {
            Ok(rows) => rows,
            Err(error) => return discard(staged, error.into()).await,
        };
        let model = self.model.as_stored();
        let night = Night { now: self.now, history: &self.history };
        let mut audit = Audit::new(scope, &model, rows)
            .with_kept(stays.map(|rows| self.kept(rows)))
            .with_night(night);
        if let Some(plan) = plan {
            audit = audit.with_proof(Proof::new(scope, plan, self.trusted.clone()));
        }
        match audit.run().await {
            Ok(results) => *checks = results,
            Err(error) => return discard(staged, error.into()).await,
        }
        match blocked(checks) {
            None => Ok(staged),
            Some(failed) => discard(staged, Stop::Checks(failed)).await,
        }
    }

    /// What is known of rows that stay.
    fn kept(&self, rows: Arc<dyn TableProvider>) -> Kept {
        let Header { kind, key, changed_by, .. } = &self.model.header;
        let checked =
            self.standing.as_ref().is_some_and(|(_, basis)| basis.header == self.basis.header);
        // Rows are replaced by what they are told apart by, and added only under a new key.
        let disjoint = match kind {
            Kind::Merge => changed_by.iter().all(|column| key.contains(column)),
            Kind::Append => true,
            Kind::Full | Kind::View | Kind::Scd2 => false,
        };
        let standing = compared_with(self.model).into_iter().filter(|name| self.is_as_then(name));
        let standing = standing.map(str::to_owned).collect();
        Kept { rows, checked, keys_disjoint: disjoint, standing }
    }

    /// Whether a model that the checks compare with holds what it held when the table was built.
    fn is_as_then(&self, name: &str) -> bool {
        let Some((_, was)) = &self.standing else { return false };
        self.inputs.project.stored_behind(name).iter().all(|table| {
            let is = self.basis.compared.get(table);
            is.is_some() && is == was.compared.get(table)
        })
    }
}

/// What changed.
pub(super) struct Found {
    pub(super) keys: KeySet,
    pub(super) inputs: Vec<String>,
    pub(super) rows_read: u64,
    /// With more than this part of its rows to replace, the table is computed whole.
    pub(super) limit: Option<u64>,
}

/// The blocking checks that failed.
fn blocked(checks: &[CheckResult]) -> Option<String> {
    let failed = checks.iter().filter(|check| check.status == CheckStatus::Failed);
    let failed: Vec<String> = failed.map(CheckResult::complaint).collect();
    (!failed.is_empty()).then(|| failed.join(", "))
}

/// The rows of a table for which `goes` is not true.
fn staying(
    scope: &Scope,
    rows: Arc<dyn TableProvider>,
    goes: &Expr,
) -> Result<Arc<dyn TableProvider>> {
    let stays = not(goes.clone().is_true());
    let rows = scope.session().read_table(rows).and_then(|rows| rows.filter(stays));
    rows.map(DataFrame::into_view).map_err(Error::engine("reading the rows that stay"))
}

pub(super) async fn discard<T>(staged: Staged, stop: Stop) -> Result<T, Stop> {
    staged.discard().await;
    Err(stop)
}

/// How the rows of a model are cut into files.
pub(super) fn layout(model: &Model) -> Layout {
    let grows = !model.header.changed_by.is_empty();
    Layout {
        partition_by: model.header.partition_by.clone(),
        file_rows: grows.then_some(FILE_ROWS),
    }
}

/// Sorts the rows of each partition, which become files of their own; nothing when they come so.
fn sorted(
    plan: Arc<dyn ExecutionPlan>,
    order: &[String],
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let schema = plan.schema();
    let columns = order.iter().map(|name| {
        let column = datafusion::physical_expr::expressions::col(name, &schema)?;
        Ok(PhysicalSortExpr::new_default(column))
    });
    let columns = columns.collect::<Result<Vec<_>, DataFusionError>>()?;
    let Some(order) = LexOrdering::new(columns) else { return Ok(plan) };
    if plan.properties().equivalence_properties().ordering_satisfy(order.clone())? {
        return Ok(plan);
    }
    Ok(Arc::new(SortExec::new(order, plan).with_preserve_partitioning(true)))
}

/// The sorted partitions as one, so that of the files each has a range of its own.
fn in_one_order(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    if plan.properties().output_partitioning().partition_count() < 2 {
        return plan;
    }
    match plan.properties().output_ordering().cloned() {
        Some(order) => Arc::new(SortPreservingMergeExec::new(order, plan)),
        None => plan,
    }
}

/// Rows that came out of the tables of a plan that ran.
fn rows_read(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        let rows = plan.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or_default();
        return u64::try_from(rows).unwrap_or(u64::MAX);
    }
    children.into_iter().map(rows_read).sum()
}
