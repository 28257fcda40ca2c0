//! Building: models along the graph, each written, checked, then committed; at the end one release.
//!
//! A model runs when what its rows are a function of (normalised plan, what its inputs hold,
//! engine) differs from what the current release says, so a night without a new row rebuilds nothing. When a
//! model fails, its table stays, what reads it is skipped, the others go on, and nothing is
//! released: readers keep the release before.

mod backfill;
mod calendar;
mod compute;
mod failure;
mod history;
mod months;
mod report;
pub(super) mod schedule;
mod verify;
pub(crate) mod way;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::SchemaRef;

pub use self::backfill::{Backfill, Month};
use self::backfill::{Progress, Start};
use self::calendar::Calendar;
pub(crate) use self::history::opened;
use self::report::write_check_results;
pub use self::report::{BuildEvent, BuildReport, Failure, ModelReport, ModelStatus};
use self::schedule::{Build, basis_of};
pub use self::verify::{Outcome, Verified};
pub use self::way::{Way, Why};
use super::checks::History;
use super::definition::Model;
use super::header::Kind;
use super::inputs::Inputs;
use super::normal;
use super::planning::{Depth, Planned, plan_all};
use super::project::{Project, landed_schemas};
use super::query::models_of;
use crate::environment::Environment;
use crate::release::{Basis, Release, TableAt};
use crate::table::Snapshot;
use crate::{Error, Result, Warehouse};

/// Part of every basis: another engine may compute other rows.
const ENGINE: &str = concat!(env!("CARGO_PKG_VERSION"), " 2");

/// What to build, and who is told.
#[derive(Clone)]
pub struct BuildOptions {
    /// Where; `prod` is what everybody reads.
    pub environment: Environment,
    /// Names, `+name`, `name+`; empty for everything.
    pub select: Vec<String>,
    /// Compute the selected models whole, whatever changed.
    pub whole: bool,
    /// Compute what hangs together with orders month by month.
    pub backfill: Option<Backfill>,
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
            .field("whole", &self.whole)
            .field("backfill", &self.backfill)
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
        let select = self.select_of(options).await?;
        let selected = project.select(&select)?;
        let selected: Vec<&Model> =
            selected.into_iter().filter(|model| model.header.kind != Kind::View).collect();
        let environment = &options.environment;
        let standing = self.current_release(environment).await?;
        let prod = if environment.is_prod() {
            None
        } else {
            self.current_release(&Environment::default()).await?
        };
        let planned = plan_all(project, raw_schemas, Depth::Types)?;
        let declared = raw_schemas;
        let raw_schemas = landed_schemas(declared)?;
        let mut raw = self.landed(&raw_schemas).await?;
        let mut raw_at = stands(&raw);
        let (models, bases) = begin(project, standing.as_ref(), prod.as_ref());
        let plans = digests(project, &planned)?;
        let mut backfill = None;
        if let Some(asked) = &options.backfill {
            let start = Start {
                environment,
                select: &options.select,
                release: standing.as_ref().map(|release| release.number),
                models: &selected
                    .iter()
                    .map(|model| {
                        let Basis { plan, header, engine, .. } =
                            basis_of(project, model, &plans, |_| None);
                        (model.name.clone(), normal::digest(&[plan, header, engine].join(" ")))
                    })
                    .collect(),
                raw: &raw_at,
                calendars: self.calendars(project, &selected, &models).await?,
            };
            let progress = Progress::begin(self, asked, start).await?;
            // What landed since it was cut off waits for the next build.
            raw = self.landed_at(&progress.raw().await).await?;
            raw_at = stands(&raw);
            backfill = Some(Arc::new(progress));
        }
        let steps =
            prod.iter().chain(&standing).flat_map(|release| release.steps.clone()).collect();
        let inputs =
            Inputs { warehouse: self, project, raw_schemas: &raw_schemas, raw, models, steps };
        let mut build = Build {
            inputs,
            options,
            plans,
            bases,
            prod: prod.as_ref(),
            raw_at,
            history: Arc::new(History::load(self, &selected, environment, &options.run_id).await?),
            backfill: backfill.clone(),
            reports: Vec::new(),
        };
        build.run(&selected).await;
        let Build { inputs, mut bases, plans, raw_at, reports, .. } = build;
        let written = write_check_results(self, &reports, options).await;
        let mut report = BuildReport { release: None, models: reports };
        if !report.is_ok() {
            // On a full disk neither can be written, and the model is what has to be told. A
            // backfill goes on from there once the cause is gone.
            if let Err(error) = written {
                let error = failure::failure(&error, self).message;
                tracing::warn!(error, "`ops.check_results` was not written");
            }
            return Ok(report);
        }
        written?;
        let mut tables = inputs.models;
        bases.retain(|name, _| tables.contains_key(name));
        tables.extend(raw_at);
        let beside = prod.as_ref().map(|release| release.number);
        let moved = standing.as_ref().is_some_and(|release| release.beside != beside);
        if moved || changed(standing.as_ref(), &tables, &bases) {
            let mut shapes = project.lineage(declared)?.shapes();
            let old = prod.iter().chain(&standing).flat_map(|release| &release.shapes);
            // A table that other SQL built, and that was not selected, is what it was.
            shapes.extend(old.filter_map(|(name, shape)| {
                let basis = bases.get(name)?;
                (plans.get(name) != Some(&basis.plan)).then(|| (name.clone(), shape.clone()))
            }));
            let release = Release {
                number: standing.map_or(0, |release| release.number).saturating_add(1),
                created_at: options.now,
                run_id: options.run_id.clone(),
                note: None,
                beside,
                tables,
                models: bases,
                shapes,
                steps: inputs.steps,
            };
            self.publish(environment, &release).await?;
            report.release = Some(release.number);
            (options.on_event)(BuildEvent::Released { number: release.number });
        }
        if let Some(progress) = backfill {
            progress.end().await?;
        }
        Ok(report)
    }

    /// What to build; a backfill that is gone on with knows it.
    async fn select_of(&self, options: &BuildOptions) -> Result<Vec<String>> {
        let known = match &options.backfill {
            Some(Backfill::Resume) if options.select.is_empty() => {
                self.unfinished(&options.environment).await?.map(|state| state.select)
            }
            _ => None,
        };
        Ok(known.unwrap_or_else(|| options.select.clone()))
    }

    /// The months of the orders, and of whatever else a model dates, by whose keys selected models
    /// are built.
    async fn calendars(
        &self,
        project: &Project,
        selected: &[&Model],
        models: &BTreeMap<String, TableAt>,
    ) -> Result<Vec<Calendar>> {
        let mut calendars = Vec::new();
        for model in project.models() {
            let Some(dated_by) = &model.header.dated_by else { continue };
            let key = &model.header.changed_by;
            if !selected.iter().any(|model| model.header.changed_by == *key) {
                continue;
            }
            let Some(at) = models.get(&model.name) else {
                return Err(Error::NotBuilt { model: model.name.clone() });
            };
            let table = way::version(self, project, &model.name, at).await?;
            calendars.push(Calendar::read(self, &table, key, dated_by).await?);
        }
        Ok(calendars)
    }

    /// Raw tables at these versions.
    async fn landed_at(
        &self,
        tables: &BTreeMap<String, TableAt>,
    ) -> Result<BTreeMap<String, Snapshot>> {
        let mut landed = BTreeMap::new();
        for (name, at) in tables {
            let table = super::check::raw_name(name)?;
            landed.insert(name.clone(), self.table(&table).snapshot_at(at.version).await?);
        }
        Ok(landed)
    }

    /// The raw tables that exist, all at one moment's newest.
    pub(super) async fn landed(
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

fn stands(tables: &BTreeMap<String, Snapshot>) -> BTreeMap<String, TableAt> {
    tables.iter().map(|(name, snapshot)| (name.clone(), snapshot.at())).collect()
}

/// What stands when a build begins: the environment's own tables, and of what it shares with
/// `prod` the newest that `prod` has.
pub(super) fn begin(
    project: &Project,
    standing: Option<&Release>,
    prod: Option<&Release>,
) -> (BTreeMap<String, TableAt>, BTreeMap<String, Basis>) {
    let is_stored =
        |name: &str| project.model(name).is_some_and(|model| model.header.kind != Kind::View);
    let mut models = BTreeMap::new();
    let mut bases = BTreeMap::new();
    for release in prod.into_iter().chain(standing) {
        for (name, at) in models_of(&release.tables).into_iter().filter(|(name, _)| is_stored(name))
        {
            let shared = prod.is_some() && at.environment.is_prod();
            if shared && let Some(newest) = models.get(&name) {
                // Prod's newest is there already. Where the environment came to the same rows from
                // tables of its own, it knows what these were.
                let newest: &TableAt = newest;
                if let Some(basis) = release.models.get(&name)
                    && newest.contents == at.contents
                {
                    bases.insert(name, basis.clone());
                }
                continue;
            }
            if let Some(basis) = release.models.get(&name) {
                bases.insert(name.clone(), basis.clone());
            }
            models.insert(name, at);
        }
    }
    (models, bases)
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

/// For every stored model that plans the digest of its plan and of the views it reads.
pub(super) fn digests(project: &Project, planned: &Planned) -> Result<BTreeMap<String, String>> {
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

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
