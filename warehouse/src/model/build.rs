//! Building: models along the graph, each written, checked, then committed; at the end one release.
//!
//! A model runs when what its rows are a function of (normalised plan, what its inputs hold,
//! engine) differs from what the current release says, so a night without a new row rebuilds nothing. When a
//! model fails, its table stays, what reads it is skipped, the others go on, and nothing is
//! released: readers keep the release before.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use datafusion::DATAFUSION_VERSION;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::prelude::{DataFrame, ident};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};

pub use self::report::{BuildEvent, BuildReport, Failure, ModelReport, ModelStatus};
use self::report::{report_of, write_check_results};
use super::check::{Planned, explain, outputs, plan_all};
use super::checks::{self, CheckResult, CheckStatus};
use super::definition::Model;
use super::header::{Header, Kind};
use super::inputs::Inputs;
use super::normal;
use super::project::{Project, landed_schemas};
use super::query::models_of;
use super::scope::{Scope, plain};
use crate::environment::Environment;
use crate::release::{Basis, Release, TableAt};
use crate::table::{Snapshot, Staged};
use crate::{Error, ErrorKind, Result, Warehouse};

/// Part of every basis: another engine may compute other rows.
const ENGINE: &str = concat!(env!("CARGO_PKG_VERSION"), " 1");

/// Rows of a batch. Sorts and their merges hold several batches of each of their inputs, so wide
/// rows in large batches starve in a pool that many of them share.
const BATCH_ROWS: &str = "8192";
/// Rows of a batch on the second try.
const ROWS_WHEN_STARVED: &str = "1024";

/// What to build, and who is told.
#[derive(Clone)]
pub struct BuildOptions {
    /// Where; `prod` is what everybody reads.
    pub environment: Environment,
    /// Names, `+name`, `name+`; empty for everything.
    pub select: Vec<String>,
    /// The run, for `ops.check_results` and the release.
    pub run_id: String,
    /// The run's clock.
    pub now: DateTime<Utc>,
    /// Models at a time; at least one.
    pub parallel: usize,
    /// Told as things happen, from the building task.
    pub on_event: Arc<dyn Fn(BuildEvent) + Send + Sync>,
}

impl fmt::Debug for BuildOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildOptions")
            .field("environment", &self.environment)
            .field("select", &self.select)
            .field("run_id", &self.run_id)
            .field("now", &self.now)
            .field("parallel", &self.parallel)
            .finish_non_exhaustive()
    }
}

impl Warehouse {
    /// Builds the selected models and publishes a release if all went well and anything changed.
    ///
    /// A model that fails is in the report. Fails itself with [`Error::UnknownModel`],
    /// [`Error::ReleaseRace`], or when releases or `ops` cannot be read or written.
    pub async fn build(
        &self,
        project: &Project,
        raw_schemas: &BTreeMap<String, SchemaRef>,
        options: &BuildOptions,
    ) -> Result<BuildReport> {
        let selected = project.select(&options.select)?;
        let selected: Vec<&Model> =
            selected.into_iter().filter(|model| model.header.kind != Kind::View).collect();
        let environment = &options.environment;
        let standing = self.current_release(environment).await?;
        let planned = plan_all(project, raw_schemas)?;
        let raw_schemas = landed_schemas(raw_schemas)?;
        let raw = self.landed(&raw_schemas).await?;
        let raw_at = raw.iter().map(|(name, snapshot)| (name.clone(), table_at(snapshot)));
        let raw_at: BTreeMap<String, TableAt> = raw_at.collect();
        let models = standing.as_ref().map(|release| models_of(&release.tables));
        let mut models = models.unwrap_or_default();
        models.retain(|name, _| {
            project.model(name).is_some_and(|model| model.header.kind != Kind::View)
        });
        let bases = standing.as_ref().map(|release| release.models.clone());
        let inputs = Inputs { warehouse: self, project, raw_schemas: &raw_schemas, raw, models };
        let mut build = Build {
            inputs,
            options,
            plans: digests(project, &planned)?,
            bases: bases.unwrap_or_default(),
            raw_at,
            reports: Vec::new(),
        };
        build.run(&selected).await;
        let Build { inputs, mut bases, raw_at, reports, .. } = build;
        write_check_results(self, &reports, options).await?;
        let mut report = BuildReport { release: None, models: reports };
        if !report.is_ok() {
            return Ok(report);
        }
        let mut tables = inputs.models;
        bases.retain(|name, _| tables.contains_key(name));
        tables.extend(raw_at);
        if changed(standing.as_ref(), &tables, &bases) {
            let release = Release {
                number: standing.map_or(0, |release| release.number).saturating_add(1),
                created_at: options.now,
                run_id: options.run_id.clone(),
                note: None,
                tables,
                models: bases,
            };
            self.publish(environment, &release).await?;
            report.release = Some(release.number);
            (options.on_event)(BuildEvent::Released { number: release.number });
        }
        Ok(report)
    }

    /// The raw tables that exist, all at one moment's newest.
    async fn landed(
        &self,
        declared: &BTreeMap<String, SchemaRef>,
    ) -> Result<BTreeMap<String, Snapshot>> {
        let mut landed = BTreeMap::new();
        for name in declared.keys() {
            let table = super::check::raw_name(name)?;
            if let Some(snapshot) = self.table(&table).snapshot().await? {
                landed.insert(name.clone(), snapshot);
            }
        }
        Ok(landed)
    }
}

/// Whether readers would see anything new. A version that moved without its files (a bookmark
/// that moved alone) is nothing new.
fn changed(
    standing: Option<&Release>,
    tables: &BTreeMap<String, TableAt>,
    bases: &BTreeMap<String, Basis>,
) -> bool {
    let Some(standing) = standing else { return !tables.is_empty() };
    let contents = |tables: &BTreeMap<String, TableAt>| -> Vec<(String, String)> {
        tables.iter().map(|(name, at)| (name.clone(), at.contents.clone())).collect()
    };
    contents(&standing.tables) != contents(tables)
        || standing.models.len() != bases.len()
        || standing.models.iter().zip(bases).any(|(a, b)| a.0 != b.0 || !a.1.agrees_with(b.1))
}

/// Where a table stands.
fn table_at(snapshot: &Snapshot) -> TableAt {
    TableAt {
        version: snapshot.version(),
        contents: snapshot.contents(),
        environment: snapshot.environment().clone(),
    }
}

/// For every stored model that plans the digest of its plan and of the views it reads.
fn digests(project: &Project, planned: &Planned) -> Result<BTreeMap<String, String>> {
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    for model in project.models() {
        let Some(plan) = planned.plans.get(&model.name) else { continue };
        let failed = Error::engine(format!("reading the plan of `{}`", model.name));
        let mut text = normal::digest_of(plan).map_err(failed)?;
        for read in model.reads().filter_map(|read| project.model(read)) {
            if read.header.kind == Kind::View {
                text.push_str(digests.get(&read.name).map_or("", String::as_str));
            }
        }
        digests.insert(model.name.clone(), normal::digest(&text));
    }
    Ok(digests)
}

struct Build<'a> {
    inputs: Inputs<'a>,
    options: &'a BuildOptions,
    /// Model -> digest of its plan.
    plans: BTreeMap<String, String>,
    /// Model -> what its table was computed from.
    bases: BTreeMap<String, Basis>,
    /// Raw tables that exist: where they stand.
    raw_at: BTreeMap<String, TableAt>,
    reports: Vec<ModelReport>,
}

/// A model that ran.
struct Ran<'a> {
    model: &'a Model,
    basis: Basis,
    seconds: f64,
    checks: Vec<CheckResult>,
    /// It ran out of memory.
    starved: bool,
    outcome: Result<Committed, Failure>,
}

struct Committed {
    rows: u64,
    at: TableAt,
}

impl<'a> Build<'a> {
    async fn run(&mut self, selected: &[&'a Model]) {
        let chosen: BTreeSet<&str> = selected.iter().map(|model| model.name.as_str()).collect();
        let mut waiting: Vec<(&'a Model, BTreeSet<String>)> = selected
            .iter()
            .map(|model| {
                let mut inputs = self.inputs.project.stored_inputs(model);
                inputs.retain(|input| chosen.contains(input.as_str()));
                (*model, inputs)
            })
            .collect();
        let mut ended: BTreeSet<String> = BTreeSet::new();
        let mut lost: BTreeSet<String> = BTreeSet::new();
        let mut running: FuturesUnordered<BoxFuture<'a, Ran<'a>>> = FuturesUnordered::new();
        // Models that ran out of memory beside others get another try, with all of it.
        let mut starved: Vec<&'a Model> = Vec::new();
        let mut alone = false;
        loop {
            if running.is_empty() {
                alone = !starved.is_empty();
                running.extend(starved.pop().map(|model| self.start(model, ROWS_WHEN_STARVED)));
            }
            let ready = waiting.iter().position(|(_, inputs)| inputs.is_subset(&ended));
            let room = running.len() < self.options.parallel.max(1);
            let ready = ready.filter(|_| room && !alone && starved.is_empty());
            if let Some((model, inputs)) = ready.map(|at| waiting.remove(at)) {
                if let Some(cause) = inputs.iter().find(|input| lost.contains(*input)) {
                    self.skip(model, cause);
                    lost.insert(model.name.clone());
                    ended.insert(model.name.clone());
                } else if self.is_current(model) {
                    self.report(report_of(model, ModelStatus::Unchanged));
                    ended.insert(model.name.clone());
                } else {
                    (self.options.on_event)(BuildEvent::Started { model: model.name.clone() });
                    running.push(self.start(model, BATCH_ROWS));
                }
                continue;
            }
            let Some(ran) = running.next().await else { break };
            if ran.starved && !alone {
                tracing::info!(
                    model = ran.model.name,
                    "out of memory beside others; tried again alone"
                );
                starved.push(ran.model);
                continue;
            }
            let name = ran.model.name.clone();
            if !self.end(ran) {
                lost.insert(name.clone());
            }
            ended.insert(name);
        }
    }

    /// Whether the model's table is what it would be computed to.
    fn is_current(&self, model: &Model) -> bool {
        self.inputs.models.contains_key(&model.name)
            && self.bases.get(&model.name).is_some_and(|b| b.agrees_with(&self.basis(model)))
    }

    fn start(&self, model: &'a Model, batch_rows: &'static str) -> BoxFuture<'a, Ran<'a>> {
        let basis = self.basis(model);
        let inputs = self.inputs.clone();
        let environment = &self.options.environment;
        let task = async move {
            let start = Instant::now();
            let mut checks = Vec::new();
            let outcome = compute(&inputs, environment, model, batch_rows, &mut checks).await;
            let starved = matches!(&outcome, Err(stop) if stop.is_starved());
            let outcome = outcome.map_err(|stop| stop.failure(model, inputs.warehouse));
            let seconds = start.elapsed().as_secs_f64();
            Ran { model, basis, seconds, checks, starved, outcome }
        };
        task.boxed()
    }

    /// Takes down how a model ended; whether it went well.
    fn end(&mut self, ran: Ran<'a>) -> bool {
        let Ran { model, basis, seconds, checks, outcome, .. } = ran;
        let (status, rows, error) = match outcome {
            Ok(committed) => {
                self.inputs.models.insert(model.name.clone(), committed.at);
                self.bases.insert(model.name.clone(), basis);
                (ModelStatus::Built, committed.rows, None)
            }
            Err(failure) => (ModelStatus::Failed, 0, Some(failure)),
        };
        self.report(ModelReport { rows, seconds, checks, error, ..report_of(model, status) });
        status == ModelStatus::Built
    }

    fn skip(&mut self, model: &Model, cause: &str) {
        let error = Failure {
            kind: ErrorKind::Data,
            message: format!("it reads `{cause}`, which failed"),
            hint: None,
        };
        let error = Some(error);
        self.report(ModelReport { error, ..report_of(model, ModelStatus::Skipped) });
    }

    fn report(&mut self, report: ModelReport) {
        (self.options.on_event)(BuildEvent::Finished(report.clone()));
        self.reports.push(report);
    }

    /// What the rows of a model are a function of, as things stand.
    fn basis(&self, model: &Model) -> Basis {
        let Header { kind, key, not_null, checks, sort_by, severity, .. } = &model.header;
        let header = format!("{kind:?} {key:?} {not_null:?} {checks:?} {sort_by:?} {severity:?}");
        let inputs = self.inputs.project.stored_reads(model).into_iter().map(|name| {
            let at = self.raw_at.get(&name).or_else(|| self.inputs.models.get(&name));
            (name, at.cloned())
        });
        Basis {
            plan: self.plans.get(&model.name).cloned().unwrap_or_default(),
            header: normal::digest(&header),
            engine: format!("{ENGINE} {DATAFUSION_VERSION}"),
            inputs: inputs.collect(),
            rows: None,
        }
    }
}

/// Why a model stopped.
enum Stop {
    Error(Error),
    /// The blocking checks that failed.
    Checks(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Computes a model into files, checks them, and makes them its table.
async fn compute(
    inputs: &Inputs<'_>,
    environment: &Environment,
    model: &Model,
    batch_rows: &str,
    checks: &mut Vec<CheckResult>,
) -> Result<Committed, Stop> {
    let scope = Scope::new(inputs.warehouse.session()?)?;
    scope.set_batch_rows(batch_rows)?;
    inputs.fill(&scope, &model.references).await?;
    let staged = stage(inputs, environment, &scope, model).await?;
    let table = match staged.provider() {
        Ok(table) => table,
        Err(error) => return discard(staged, error.into()).await,
    };
    match checks::run(&scope, table, model).await {
        Ok(results) => *checks = results,
        Err(error) => return discard(staged, error.into()).await,
    }
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| check.status == CheckStatus::Failed)
        .map(|c| format!("`{}` in {} of {} rows", c.name, c.failed_rows, c.checked_rows))
        .collect();
    if !failed.is_empty() {
        return discard(staged, Stop::Checks(failed.join(", "))).await;
    }
    let rows = staged.rows();
    let table = staged.table().clone();
    let version = match model.header.kind {
        Kind::Merge => match inputs.models.get(&model.name) {
            Some(at) if rows == 0 => {
                staged.discard().await;
                return Ok(Committed { rows, at: at.clone() });
            }
            _ => staged.commit_upsert(&model.header.key).await?,
        },
        Kind::Full | Kind::View => staged.commit_replace().await?,
    };
    Ok(Committed { rows, at: table_at(&table.snapshot_at(version).await?) })
}

async fn discard(staged: Staged, stop: Stop) -> Result<Committed, Stop> {
    staged.discard().await;
    Err(stop)
}

async fn stage(
    inputs: &Inputs<'_>,
    environment: &Environment,
    scope: &Scope,
    model: &Model,
) -> Result<Staged> {
    let failed = || Error::engine(format!("computing `{}`", model.name));
    let plan = match scope.plan(model.statement.clone()).await {
        Ok(plan) => plan,
        Err(error) => {
            let spot = explain(&model.text, &error);
            let finding = spot.place.finding(spot.code, &model.path, spot.message, spot.hint);
            return Err(Error::Findings(vec![finding]));
        }
    };
    // The contract holds at night too, whatever was checked before.
    let mut findings = Vec::new();
    if outputs(scope, model, &plan, &mut findings).is_none() || !findings.is_empty() {
        return Err(Error::Findings(findings));
    }
    let frame = DataFrame::new(scope.session().state(), plan);
    let table = inputs.warehouse.table(&model.table_name().built_in(environment));
    if model.header.sort_by.is_empty() {
        let streams = frame.execute_stream_partitioned().await.map_err(failed())?;
        return table.stage_all(streams).await;
    }
    let order = model.header.sort_by.iter().map(|column| ident(column.as_str()).sort(true, false));
    let sorted = frame.sort(order.collect()).map_err(failed())?;
    let stream = sorted.execute_stream().await.map_err(failed())?;
    table.stage(stream).await
}

impl Stop {
    fn is_starved(&self) -> bool {
        matches!(
            self,
            Self::Error(Error::Engine { source, .. })
                if matches!(source.find_root(), DataFusionError::ResourcesExhausted(_))
        )
    }

    fn failure(self, model: &Model, warehouse: &Warehouse) -> Failure {
        match self {
            Self::Checks(failed) => Failure {
                kind: ErrorKind::Data,
                message: format!("a blocking check of `{}` failed: {failed}", model.name),
                hint: Some(format!(
                    "the table is unchanged; see `select * from ops.check_results where model = '{}'`",
                    model.name
                )),
            },
            Self::Error(error) => failure(&error, warehouse),
        }
    }
}

fn failure(error: &Error, warehouse: &Warehouse) -> Failure {
    let kind = error.kind();
    let hint = error.hint();
    match error {
        Error::Engine { doing, source } => {
            if let DataFusionError::ResourcesExhausted(detail) = source.find_root() {
                let megabytes = warehouse.options().memory_bytes >> 20;
                let short = detail.lines().next().unwrap_or(detail);
                return Failure {
                    kind: ErrorKind::Access,
                    message: format!("out of memory while {doing}: {short}"),
                    hint: Some(format!(
                        "the limit is {megabytes} MB; raise it, or build fewer models at a time"
                    )),
                };
            }
            Failure { kind, message: format!("{error}: {}", plain(source)), hint }
        }
        other => {
            let mut message = other.to_string();
            let mut cause = other.source();
            while let Some(error) = cause {
                message = format!("{message}: {error}");
                cause = error.source();
            }
            Failure { kind, message, hint }
        }
    }
}

#[cfg(test)]
mod tests;
