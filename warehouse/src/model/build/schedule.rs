//! The order of a build: models along the graph, several at a time, and what becomes of the rest
//! when one fails or runs out of memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::DATAFUSION_VERSION;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};

use super::backfill::Progress;
use super::compute::{Again, Effort, Ran, Task};
use super::report::{BuildEvent, Failure, ModelReport, ModelStatus, report_of};
use super::way::{Way, stale};
use super::{BuildOptions, ENGINE};
use crate::ErrorKind;
use crate::model::checks::{History, Trusted, ages, compared_with};
use crate::model::definition::Model;
use crate::model::header::{Header, Kind};
use crate::model::inputs::Inputs;
use crate::model::normal;
use crate::model::project::Project;
use crate::release::{Basis, Release, TableAt};
use crate::table::Bag;

/// A build under way.
pub(super) struct Build<'a> {
    pub(super) inputs: Inputs<'a>,
    pub(super) options: &'a BuildOptions,
    /// Model -> digest of its plan.
    pub(super) plans: BTreeMap<String, String>,
    /// Model -> what its table was computed from.
    pub(super) bases: BTreeMap<String, Basis>,
    /// What `prod` has, in another environment.
    pub(super) prod: Option<&'a Release>,
    /// Raw tables that exist: where they stand.
    pub(super) raw_at: BTreeMap<String, TableAt>,
    /// What the tables measured in the builds before.
    pub(super) history: Arc<History>,
    /// The backfill that it is.
    pub(super) backfill: Option<Arc<Progress>>,
    pub(super) reports: Vec<ModelReport>,
}

impl<'a> Build<'a> {
    pub(super) async fn run(&mut self, selected: &[&'a Model]) {
        let chosen: BTreeSet<&str> = selected.iter().map(|model| model.name.as_str()).collect();
        let mut waiting: Vec<(&'a Model, BTreeSet<String>)> = selected
            .iter()
            .map(|model| {
                let mut inputs = self.inputs.project.stored_before(model);
                inputs.retain(|input| chosen.contains(input.as_str()));
                (*model, inputs)
            })
            .collect();
        let mut ended: BTreeSet<String> = BTreeSet::new();
        let mut lost: BTreeSet<String> = BTreeSet::new();
        let mut running: FuturesUnordered<BoxFuture<'a, Ran<'a>>> = FuturesUnordered::new();
        // Models that ran out of memory get another try, alone and more careful.
        let mut starved: Vec<Task<'a>> = Vec::new();
        let mut alone = false;
        loop {
            if running.is_empty() {
                let next = starved.pop();
                alone = next.is_some();
                running.extend(next.map(|task| task.run().boxed()));
            }
            let ready = waiting.iter().position(|(_, inputs)| inputs.is_subset(&ended));
            let room = running.len() < self.options.parallel.max(1);
            let ready = ready.filter(|_| room && !alone && starved.is_empty());
            if let Some((model, inputs)) = ready.map(|at| waiting.remove(at)) {
                if let Some(cause) = inputs.iter().find(|input| lost.contains(*input)) {
                    self.skip(model, cause);
                    lost.insert(model.name.clone());
                    ended.insert(model.name.clone());
                } else if let Some(report) = self.came_through(model) {
                    self.report(report);
                    ended.insert(model.name.clone());
                } else if let Some(report) = self.stands(model) {
                    if let Some(task) = self.look_again(model, &report) {
                        running.push(task.run().boxed());
                    } else {
                        self.report(report);
                        ended.insert(model.name.clone());
                    }
                } else {
                    (self.options.on_event)(BuildEvent::Started { model: model.name.clone() });
                    running.push(self.task(model).run().boxed());
                }
                continue;
            }
            let Some(ran) = running.next().await else { break };
            if ran.starved
                && let Some(effort) = ran.task.effort.next(ran.task.model)
            {
                tracing::info!(model = ran.task.model.name, ?effort, "out of memory; tried again");
                starved.push(Task { effort, ..ran.task });
                continue;
            }
            let name = ran.task.model.name.clone();
            if !self.end(ran) {
                lost.insert(name.clone());
            }
            ended.insert(name);
        }
    }

    /// The report of a model that a backfill was through with when it was cut off.
    fn came_through(&mut self, model: &Model) -> Option<ModelReport> {
        let reached = self.backfill.as_ref()?.reached_before(&model.name)?;
        let (at, basis) = reached.at.clone().zip(reached.basis.clone())?;
        let name = model.name.clone();
        self.inputs.models.insert(name.clone(), at);
        self.inputs.steps.remove(&name);
        self.bases.insert(name, basis);
        Some(report_of(model, ModelStatus::Unchanged))
    }

    /// The report of a model whose table need not be touched.
    fn stands(&mut self, model: &Model) -> Option<ModelReport> {
        let months = |backfill: &Arc<Progress>| backfill.calendar(model).is_some();
        if self.options.whole || self.backfill.as_ref().is_some_and(months) {
            return None;
        }
        let basis = self.basis(model);
        if self.inputs.models.contains_key(&model.name)
            && self.bases.get(&model.name).is_some_and(|standing| stale(standing, &basis).is_none())
        {
            return Some(report_of(model, ModelStatus::Unchanged));
        }
        let (at, standing) = self.in_prod(model)?;
        if stale(&standing, &basis).is_some() {
            return None;
        }
        self.inputs.models.insert(model.name.clone(), at);
        self.bases.insert(model.name.clone(), standing);
        let way = Some(Way::Shared);
        Some(ModelReport { way, ..report_of(model, ModelStatus::Unchanged) })
    }

    /// What there is to look at again in a table that stands: its age, and references to tables
    /// that changed beside it.
    fn look_again(&self, model: &'a Model, report: &ModelReport) -> Option<Task<'a>> {
        let was = &self.bases.get(&model.name)?.compared;
        let is = self.basis(model).compared;
        let moved: BTreeSet<String> = compared_with(model)
            .into_iter()
            .filter(|name| {
                let behind = self.inputs.project.stored_behind(name);
                *name != model.name && behind.iter().any(|table| was.get(table) != is.get(table))
            })
            .map(str::to_owned)
            .collect();
        if moved.is_empty() && !ages(model) {
            return None;
        }
        let again = Some(Again { report: report.clone(), moved });
        Some(Task { again, ..self.task(model) })
    }

    fn in_prod(&self, model: &Model) -> Option<(TableAt, Basis)> {
        let prod = self.prod?;
        Some((prod.tables.get(&model.name)?.clone(), prod.models.get(&model.name)?.clone()))
    }

    fn task(&self, model: &'a Model) -> Task<'a> {
        let at = self.inputs.models.get(&model.name);
        Task {
            inputs: self.inputs.clone(),
            environment: &self.options.environment,
            model,
            standing: at.cloned().zip(self.bases.get(&model.name).cloned()),
            in_prod: self.in_prod(model),
            basis: self.basis(model),
            whole: self.options.whole,
            trusted: self.trusted(model),
            history: Arc::clone(&self.history),
            now: self.options.now,
            effort: Effort::Beside,
            again: None,
            backfill: self.backfill.clone(),
        }
    }

    /// The inputs of a model whose whole tables were checked under the headers that they have.
    fn trusted(&self, model: &Model) -> Trusted<'a> {
        let project = self.inputs.project;
        let inputs = project.stored_inputs(model).into_iter();
        let inputs = inputs.filter_map(|input| project.model(&input));
        inputs
            .filter(|input| matches!(input.header.kind, Kind::Full | Kind::Merge))
            .filter(|input| {
                let checked = self.bases.get(&input.name).map(|basis| &basis.header);
                checked == Some(&self.basis(input).header)
            })
            .map(|input| (input.name.as_str(), &input.header))
            .collect()
    }

    /// Takes down how a model ended; whether it went well.
    fn end(&mut self, ran: Ran<'a>) -> bool {
        let Ran { task, seconds, checks, outcome, .. } = ran;
        let model = task.model;
        let report = match outcome {
            Ok(None) => {
                if let Some(basis) = self.bases.get_mut(&model.name) {
                    basis.compared = task.basis.compared;
                }
                let again = task.again.map(|again| again.report);
                again.unwrap_or_else(|| report_of(model, ModelStatus::Unchanged))
            }
            Ok(Some(done)) => {
                match done.step {
                    Some(step) => drop(self.inputs.steps.insert(model.name.clone(), step)),
                    None if done.same => {}
                    None => drop(self.inputs.steps.remove(&model.name)),
                }
                self.inputs.models.insert(model.name.clone(), done.at);
                let rows = done.bag.map(Bag::digest);
                let basis = done.basis.unwrap_or(task.basis);
                self.bases.insert(model.name.clone(), Basis { rows, ..basis });
                ModelReport {
                    rows: done.rows,
                    rows_read: done.rows_read,
                    way: Some(done.way),
                    is_same: done.same,
                    ..report_of(model, ModelStatus::Built)
                }
            }
            Err(failure) => {
                ModelReport { error: Some(failure), ..report_of(model, ModelStatus::Failed) }
            }
        };
        let went_well = report.status != ModelStatus::Failed;
        self.report(ModelReport { seconds, checks, ..report });
        went_well
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
    pub(super) fn basis(&self, model: &Model) -> Basis {
        let stands = |name: &str| self.raw_at.get(name).or_else(|| self.inputs.models.get(name));
        basis_of(self.inputs.project, model, &self.plans, stands)
    }
}

/// What the rows of a model are a function of, when its inputs stand where `stands` says.
pub(crate) fn basis_of<'t>(
    project: &Project,
    model: &Model,
    plans: &BTreeMap<String, String>,
    stands: impl Fn(&str) -> Option<&'t TableAt>,
) -> Basis {
    let Header {
        kind,
        key,
        changed_by,
        updated_at,
        not_null,
        checks,
        severity,
        partition_by,
        sort_by,
        columns: _,
        tags: _,
        dated_by: _,
        destination: _,
        object: _,
    } = &model.header;
    let header = format!(
        "{kind:?} {key:?} {changed_by:?} {updated_at:?} {not_null:?} {checks:?} {severity:?} \
             {partition_by:?} {sort_by:?}"
    );
    let inputs = project.stored_reads(model).into_iter().map(|name| {
        let at = stands(&name).cloned();
        (name, at)
    });
    let compared = compared_with(model).into_iter().filter(|name| *name != model.name);
    let compared = compared.flat_map(|name| project.stored_behind(name));
    let compared = compared.filter_map(|name| stands(&name).map(|at| (name, at.contents.clone())));
    Basis {
        compared: compared.collect(),
        plan: plans.get(&model.name).cloned().unwrap_or_default(),
        header: normal::digest(&header),
        engine: format!("{ENGINE} {DATAFUSION_VERSION}"),
        inputs: inputs.collect(),
        rows: None,
    }
}
