//! The static check: every model planned against declared schemas, with no data read.
//!
//! A model is planned over empty tables of the types that what it reads yields, as soon as all of
//! that is planned, by as many threads as there are cores. So an error is reported once, at the
//! model that has it; what reads a model that does not plan is left out. Findings come in the order
//! of the models, whoever was first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use futures::FutureExt as _;

use super::check::{outputs, references, yields_nothing};
use super::checks;
use super::complaint::explain;
use super::definition::Model;
use super::finding::{Finding, Names, code};
use super::header::{Kind, place_of_value_in};
use super::incremental::inputs::{Role, roles_in};
use super::lint::{self, Grain, Grains};
use super::project::{Project, landed_schemas};
use super::references::Target;
use super::scope::{Scope, plan_as_written, with_casts};
use crate::{Error, Result};

/// Planning recurses as deeply as the SQL is nested.
const STACK_BYTES: usize = 16 << 20;
/// Fewer models than these are not worth a further thread.
const MODELS_PER_THREAD: usize = 40;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What the models need to be computed.
    Types,
    /// Also what they mean.
    Meaning,
}

/// The types of every model that plans, and what is wrong with the others.
#[derive(Default)]
pub(crate) struct Planned {
    pub(crate) schemas: BTreeMap<String, SchemaRef>,
    /// At [`Depth::Types`], the analysed plans of the same models; views are tables there.
    pub(crate) plans: BTreeMap<String, LogicalPlan>,
    /// Models that have no rows when nothing that they read has any.
    pub(crate) barren: BTreeSet<String>,
    pub(crate) findings: Vec<Finding>,
}

impl Project {
    /// Everything that is wrong with the models, given the types of the raw tables
    /// (`raw.<source>.<stream>`). No data is read.
    ///
    /// Fails only when a raw schema cannot be stored or the engine cannot be set up.
    pub fn check(&self, raw_schemas: &BTreeMap<String, SchemaRef>) -> Result<Vec<Finding>> {
        Ok(plan_all(self, raw_schemas, Depth::Meaning)?.findings)
    }
}

/// Plans every model.
pub(crate) fn plan_all(
    project: &Project,
    raw_schemas: &BTreeMap<String, SchemaRef>,
    depth: Depth,
) -> Result<Planned> {
    let scope = Scope::detached()?;
    let raw = landed_schemas(raw_schemas)?;
    for (name, schema) in &raw {
        scope.add(&Target::Raw(name.clone()), Arc::new(EmptyTable::new(Arc::clone(schema))))?;
    }
    let models: Vec<&Model> = project.models().collect();
    let names = models.iter().map(|model| model.name.as_str());
    let followed = match depth {
        Depth::Types => None,
        Depth::Meaning => Followed::of(project, &raw)?,
    };
    let site = Site {
        project,
        scope: &scope,
        state: scope.session().state(),
        followed,
        known: Names::new(names.chain(raw.keys().map(String::as_str))),
        depth,
        queue: Mutex::new(Queue::of(&models)),
        grew: Condvar::new(),
        models,
    };
    by_threads(site.models.len(), || site.work());
    let Queue { outcomes, failure, .. } =
        site.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failure) = failure {
        return Err(failure);
    }
    let mut planned = Planned::default();
    for (model, outcome) in site.models.iter().zip(outcomes) {
        let Some(outcome) = outcome else { continue };
        planned.findings.extend(outcome.findings);
        if let Some(schema) = outcome.schema {
            planned.schemas.insert(model.name.clone(), schema);
            if let Some(plan) = outcome.plan {
                planned.plans.insert(model.name.clone(), plan);
            }
            if outcome.is_barren {
                planned.barren.insert(model.name.clone());
            }
        }
    }
    Ok(planned)
}

/// Does work on so many models by as many threads as are worth it. Each takes what is left of it.
pub(super) fn by_threads(models: usize, work: impl Fn() + Sync) {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let hands = cores.min(models / MODELS_PER_THREAD + 1);
    thread::scope(|threads| {
        for _ in 0..hands {
            let hand = thread::Builder::new().stack_size(STACK_BYTES);
            // With fewer threads than wished for it only takes longer.
            if hand.spawn_scoped(threads, &work).is_err() {
                break;
            }
        }
    });
    // What is left, if there was no thread at all.
    work();
}

/// What came of one model.
#[derive(Default)]
struct Outcome {
    schema: Option<SchemaRef>,
    plan: Option<LogicalPlan>,
    is_barren: bool,
    grain: Arc<Grain>,
    findings: Vec<Finding>,
}

/// Which models can be planned now, and what came of the others.
struct Queue {
    ready: VecDeque<usize>,
    /// Of each model, how many that it reads are open.
    waits_for: Vec<usize>,
    readers: Vec<Vec<usize>>,
    numbers: BTreeMap<String, usize>,
    open: usize,
    outcomes: Vec<Option<Outcome>>,
    failure: Option<Error>,
}

impl Queue {
    fn of(models: &[&Model]) -> Self {
        let numbers: BTreeMap<String, usize> =
            models.iter().enumerate().map(|(number, model)| (model.name.clone(), number)).collect();
        let mut readers = vec![Vec::new(); models.len()];
        let mut waits_for = vec![0; models.len()];
        for (number, (model, waits)) in models.iter().zip(&mut waits_for).enumerate() {
            for read in model.reads().filter_map(|read| numbers.get(read)) {
                if let Some(readers) = readers.get_mut(*read) {
                    readers.push(number);
                    *waits += 1;
                }
            }
        }
        let ready = waits_for.iter().enumerate().filter(|(_, waits)| **waits == 0);
        Self {
            ready: ready.map(|(number, _)| number).collect(),
            readers,
            numbers,
            open: models.len(),
            outcomes: models.iter().map(|_| None).collect(),
            waits_for,
            failure: None,
        }
    }

    fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.get(*self.numbers.get(name)?)?.as_ref()
    }

    fn finish(&mut self, number: usize, outcome: Outcome) {
        if let Some(place) = self.outcomes.get_mut(number) {
            *place = Some(outcome);
        }
        self.open -= 1;
        for reader in self.readers.get(number).into_iter().flatten() {
            if let Some(waits) = self.waits_for.get_mut(*reader) {
                *waits -= 1;
                if *waits == 0 {
                    self.ready.push_back(*reader);
                }
            }
        }
    }
}

/// Where all threads work.
struct Site<'a> {
    project: &'a Project,
    scope: &'a Scope,
    /// Of the scope, whose tables it sees.
    state: SessionState,
    followed: Option<Followed<'a>>,
    models: Vec<&'a Model>,
    known: Names<'a>,
    depth: Depth,
    queue: Mutex<Queue>,
    grew: Condvar,
}

impl Site<'_> {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans what can be planned until nothing is left.
    fn work(&self) {
        while let Some((number, model, inputs)) = self.next() {
            // Were it to break down, the others would wait for it.
            let planned = panic::catch_unwind(AssertUnwindSafe(|| self.plan(model, &inputs)))
                .unwrap_or_else(|_| Err(damaged(model, "planning broke down")));
            let mut queue = self.queue();
            match planned {
                Ok(outcome) => queue.finish(number, outcome),
                Err(failure) => queue.failure = Some(failure),
            }
            drop(queue);
            self.grew.notify_all();
        }
    }

    /// The next model and what is known of all that it reads.
    fn next(&self) -> Option<(usize, &Model, Inputs)> {
        let mut queue = self.queue();
        loop {
            if queue.failure.is_some() || queue.open == 0 {
                return None;
            }
            if let Some(number) = queue.ready.pop_front() {
                let model = self.models.get(number).copied()?;
                let mut inputs = Inputs::default();
                let is_known =
                    |read: &&str| self.known.contains(read) || self.project.is_broken(read);
                for read in model.reads().filter(is_known) {
                    match queue.outcome(read) {
                        Some(outcome) if outcome.schema.is_some() => {
                            inputs.grains.insert(read.to_owned(), Arc::clone(&outcome.grain));
                        }
                        _ => inputs.is_blind = true,
                    }
                }
                return Some((number, model, inputs));
            }
            queue = self.grew.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn plan(&self, model: &Model, inputs: &Inputs) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let findings = &mut outcome.findings;
        references(self.project, model, &self.known, findings);
        checks::compared(self.project, model, findings);
        let is_unknown = findings.iter().any(|finding| finding.code == code::TABLE);
        if inputs.is_blind || is_unknown {
            return Ok(outcome); // the cause is reported already
        }
        let waited = || damaged(model, "planning waited for something");
        let state = &self.state;
        let written = plan_as_written(state, model.statement.clone()).now_or_never();
        let mismatches = match written.as_ref().ok_or_else(waited)? {
            Ok(plan) if self.depth == Depth::Meaning => lint::of_types(model, plan),
            _ => Vec::new(),
        };
        let is_explained = !mismatches.is_empty();
        findings.extend(mismatches);
        let planned = written.ok_or_else(waited)?.and_then(|written| {
            if self.depth == Depth::Types {
                return Ok((with_casts(state, written)?, None));
            }
            Ok((with_casts(state, written.clone())?, Some(written)))
        });
        match planned {
            Ok((plan, written)) => {
                if let Some(written) = written {
                    findings.extend(lint::of_statement(state, model));
                    let (found, grain) = lint::of_rows(model, &written, &inputs.grains);
                    findings.extend(found);
                    outcome.grain = Arc::new(grain);
                }
                outcome.schema = outputs(self.scope, model, &plan, findings);
                outcome.is_barren = yields_nothing(&plan);
                if let Some(schema) = &outcome.schema {
                    if let Some(followed) = &self.followed {
                        findings.extend(followed.look(model, schema, &plan)?);
                    }
                    let table = Arc::new(EmptyTable::new(Arc::clone(schema)));
                    self.scope.add(&Target::Model(model.name.clone()), table)?;
                    if self.depth == Depth::Types {
                        outcome.plan = Some(plan);
                    }
                }
            }
            Err(_) if is_explained => {}
            Err(error) => {
                let spot = explain(&model.text, &error);
                let finding = spot.place.finding(spot.code, &model.path, spot.message, spot.hint);
                findings.push(finding);
            }
        }
        outcome.findings.sort_by_key(|finding| (finding.line, finding.column));
        Ok(outcome)
    }
}

/// Where models that are built by keys and read views are planned once more, with the views pasted in
/// as a build pastes them, to see which inputs the keys reach.
struct Followed<'a> {
    project: &'a Project,
    scope: Scope,
    /// Those models and all that is read on the way to their stored inputs.
    names: BTreeSet<&'a str>,
}

impl<'a> Followed<'a> {
    /// `None` when no model is built by keys.
    fn of(project: &'a Project, raw: &BTreeMap<String, SchemaRef>) -> Result<Option<Self>> {
        let by_keys = project.models().filter(|model| !model.header.changed_by.is_empty());
        let mut open: Vec<&Model> = by_keys.collect();
        if open.is_empty() {
            return Ok(None);
        }
        let mut names = BTreeSet::new();
        while let Some(model) = open.pop() {
            let is_looked_through =
                model.header.kind == Kind::View || !model.header.changed_by.is_empty();
            if names.insert(model.name.as_str()) && is_looked_through {
                open.extend(model.reads().filter_map(|read| project.model(read)));
            }
        }
        let scope = Scope::detached()?;
        for (name, schema) in raw {
            scope.add(&Target::Raw(name.clone()), Arc::new(EmptyTable::new(Arc::clone(schema))))?;
        }
        Ok(Some(Self { project, scope, names }))
    }

    /// Whether a model that is built by keys would always be built whole.
    fn look(
        &self,
        model: &Model,
        schema: &SchemaRef,
        plan: &LogicalPlan,
    ) -> Result<Option<Finding>> {
        if !self.names.contains(model.name.as_str()) {
            return Ok(None);
        }
        let target = Target::Model(model.name.clone());
        let statement = || model.statement.clone();
        if model.header.kind == Kind::View {
            let view = self.scope.view(&model.name, statement()).now_or_never();
            if let Some(Ok(view)) = view {
                self.scope.add(&target, Arc::new(view))?;
            }
            return Ok(None);
        }
        self.scope.add(&target, Arc::new(EmptyTable::new(Arc::clone(schema))))?;
        let Some(first) = model.header.changed_by.first() else { return Ok(None) };
        let mut reads = model.reads().filter_map(|read| self.project.model(read));
        // Of a column that is not there, the header's own finding tells.
        let roles = if reads.any(|read| read.header.kind == Kind::View) {
            match self.scope.plan(statement()).now_or_never() {
                Some(Ok(plan)) => roles_in(&plan, model),
                _ => return Ok(None),
            }
        } else {
            roles_in(plan, model)
        };
        let Ok(roles) = roles else { return Ok(None) };
        if roles.is_empty() || roles.values().any(|role| *role != Role::Dimension) {
            return Ok(None);
        }
        let place = place_of_value_in(&model.text, "changed_by", first);
        let columns: Vec<String> =
            model.header.changed_by.iter().map(|column| format!("`{column}`")).collect();
        let message = format!(
            "{} can be followed to nothing that the model reads: every build computes all rows",
            columns.join(", ")
        );
        let hint = "name columns that come unchanged from an input and that groups and windows are \
                    told apart by, or make the model `full`";
        let hint = Some(hint.to_owned());
        Ok(Some(place.finding(code::UNREACHED, &model.path, message, hint)))
    }
}

fn damaged(model: &Model, reason: &str) -> Error {
    Error::Damaged { path: model.path.clone(), reason: reason.to_owned() }
}

/// What is known of what a model reads.
#[derive(Default)]
struct Inputs {
    grains: Grains,
    /// Something that it reads does not plan.
    is_blind: bool,
}
