//! Building: models along the graph, each written, checked, then committed; at the end one release.
//!
//! A model runs when its fingerprint (normalised SQL, versions of what it reads, engine) differs
//! from the one in the current release, so a night without a new row rebuilds nothing. When a
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
use xxhash_rust::xxh3::xxh3_128;

pub use self::report::{BuildEvent, BuildReport, Failure, ModelReport, ModelStatus};
use self::report::{report_of, write_check_results};
use super::check::{explain, outputs};
use super::checks::{self, CheckResult, CheckStatus};
use super::definition::Model;
use super::header::{Header, Kind};
use super::inputs::Inputs;
use super::project::{Project, landed_schemas};
use super::query::models_of;
use super::references::Target;
use super::scope::{Scope, plain};
use crate::table::{Snapshot, Staged};
use crate::{Error, ErrorKind, Release, Result, Warehouse};

/// Part of every fingerprint: another engine may compute other rows.
const ENGINE: &str = concat!(env!("CARGO_PKG_VERSION"), " 1");

/// Rows of a batch. Sorts and their merges hold several batches of each of their inputs, so wide
/// rows in large batches starve in a pool that many of them share.
const BATCH_ROWS: &str = "8192";
/// Rows of a batch on the second try.
const ROWS_WHEN_STARVED: &str = "1024";

/// What to build, and who is told.
#[derive(Clone)]
pub struct BuildOptions {
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
        let standing = self.current_release().await?;
        let raw_schemas = landed_schemas(raw_schemas)?;
        let raw = self.landed(&raw_schemas).await?;
        let marks = raw.iter().map(|(name, snapshot)| (name.clone(), contents(snapshot)));
        let marks: BTreeMap<String, String> = marks.collect();
        let versions = standing.as_ref().map(|release| models_of(&release.tables));
        let mut versions = versions.unwrap_or_default();
        versions.retain(|name, _| {
            project.model(name).is_some_and(|model| model.header.kind != Kind::View)
        });
        let fingerprints = standing.as_ref().map(|release| release.fingerprints.clone());
        let inputs = Inputs { warehouse: self, project, raw_schemas: &raw_schemas, raw, versions };
        let mut build = Build {
            inputs,
            options,
            fingerprints: fingerprints.unwrap_or_default(),
            marks,
            reports: Vec::new(),
        };
        build.run(&selected).await;
        let Build { inputs, mut fingerprints, marks, reports, .. } = build;
        write_check_results(self, &reports, options).await?;
        let mut report = BuildReport { release: None, models: reports };
        if !report.is_ok() {
            return Ok(report);
        }
        let mut tables = inputs.versions;
        fingerprints.retain(|name, _| tables.contains_key(name));
        tables.extend(inputs.raw.iter().map(|(name, raw)| (name.clone(), raw.version())));
        fingerprints.extend(marks);
        if changed(standing.as_ref(), &tables, &fingerprints) {
            let previous = standing.map(|release| release.number);
            let release =
                self.publish(previous, options.now, &options.run_id, tables, fingerprints).await?;
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
    tables: &BTreeMap<String, i64>,
    fingerprints: &BTreeMap<String, String>,
) -> bool {
    let Some(standing) = standing else { return !tables.is_empty() };
    standing.fingerprints != *fingerprints
        || models_of(&standing.tables) != models_of(tables)
        || !standing.tables.keys().eq(tables.keys())
}

/// What a raw table holds, whatever its version is.
fn contents(snapshot: &Snapshot) -> String {
    let mut files = snapshot.files();
    files.sort_unstable();
    digest(&format!("{}\n{:?}", files.join("\n"), snapshot.schema()))
}

fn digest(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

struct Build<'a> {
    inputs: Inputs<'a>,
    options: &'a BuildOptions,
    /// Model -> what its table was computed from.
    fingerprints: BTreeMap<String, String>,
    /// Raw table -> what it holds.
    marks: BTreeMap<String, String>,
    reports: Vec<ModelReport>,
}

/// A model that ran.
struct Ran<'a> {
    model: &'a Model,
    fingerprint: String,
    seconds: f64,
    checks: Vec<CheckResult>,
    /// It ran out of memory.
    starved: bool,
    outcome: Result<Committed, Failure>,
}

struct Committed {
    rows: u64,
    version: i64,
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
        self.inputs.versions.contains_key(&model.name)
            && self.fingerprints.get(&model.name) == Some(&digest(&self.fingerprint(model)))
    }

    fn start(&self, model: &'a Model, batch_rows: &'static str) -> BoxFuture<'a, Ran<'a>> {
        let fingerprint = digest(&self.fingerprint(model));
        let inputs = self.inputs.clone();
        let task = async move {
            let start = Instant::now();
            let mut checks = Vec::new();
            let outcome = compute(&inputs, model, batch_rows, &mut checks).await;
            let starved = matches!(&outcome, Err(stop) if stop.is_starved());
            let outcome = outcome.map_err(|stop| stop.failure(model, inputs.warehouse));
            let seconds = start.elapsed().as_secs_f64();
            Ran { model, fingerprint, seconds, checks, starved, outcome }
        };
        task.boxed()
    }

    /// Takes down how a model ended; whether it went well.
    fn end(&mut self, ran: Ran<'a>) -> bool {
        let Ran { model, fingerprint, seconds, checks, outcome, .. } = ran;
        let (status, rows, error) = match outcome {
            Ok(committed) => {
                self.inputs.versions.insert(model.name.clone(), committed.version);
                self.fingerprints.insert(model.name.clone(), fingerprint);
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

    /// What the rows of a model are a function of. A view's stands for the view.
    fn fingerprint(&self, model: &Model) -> String {
        let Header { kind, key, not_null, checks, sort_by, severity, .. } = &model.header;
        let mut text = format!(
            "{ENGINE}\n{DATAFUSION_VERSION}\n{kind:?} {key:?} {not_null:?} {checks:?} {sort_by:?} {severity:?}\n{}\n",
            model.normalised()
        );
        for reference in &model.references {
            let name = reference.target.name();
            let state = match &reference.target {
                Target::Raw(_) => {
                    let declared = self.inputs.raw_schemas.get(name);
                    format!("{:?} {declared:?}", self.marks.get(name))
                }
                _ => match self.inputs.project.model(name) {
                    Some(read) if read.header.kind == Kind::View => self.fingerprint(read),
                    _ => format!("{:?}", self.inputs.versions.get(name)),
                },
            };
            for part in [name, " ", &state, "\n"] {
                text.push_str(part);
            }
        }
        text
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
    model: &Model,
    batch_rows: &str,
    checks: &mut Vec<CheckResult>,
) -> Result<Committed, Stop> {
    let scope = Scope::new(inputs.warehouse.session()?)?;
    scope.set_batch_rows(batch_rows)?;
    inputs.fill(&scope, &model.references).await?;
    let staged = stage(inputs, &scope, model).await?;
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
    let version = match model.header.kind {
        Kind::Merge => match inputs.versions.get(&model.name) {
            Some(version) if rows == 0 => {
                staged.discard().await;
                *version
            }
            _ => staged.commit_upsert(&model.header.key).await?,
        },
        Kind::Full | Kind::View => staged.commit_replace().await?,
    };
    Ok(Committed { rows, version })
}

async fn discard(staged: Staged, stop: Stop) -> Result<Committed, Stop> {
    staged.discard().await;
    Err(stop)
}

async fn stage(inputs: &Inputs<'_>, scope: &Scope, model: &Model) -> Result<Staged> {
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
    let table = inputs.warehouse.table(&model.table_name());
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
