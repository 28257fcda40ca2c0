//! What a build would do: which models, why, and what becomes of their columns. Nothing is written.
//!
//! It asks the same question as the build (does the basis of the standing table agree with how
//! things are now?), so that what it foresees is what happens, unless rows land in between.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::datatypes::SchemaRef;

use super::build::schedule::basis_of;
use super::build::{begin, digests};
use super::columns::{self, ColumnChange};
use super::definition::Model;
use super::header::Kind;
use super::incremental::inputs::Role;
use super::lineage::Felt;
use super::planning::{Depth, Planned, plan_all};
use super::project::{Project, landed_schemas};
use super::selection;
use crate::release::{Basis, Difference, Release, TableAt};
use crate::{Environment, Error, Result, Warehouse};

/// What a build would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlan {
    /// The newest release of the environment, on which it would build.
    pub release: Option<u64>,
    /// The selected stored models, in order.
    pub models: Vec<PlannedModel>,
    /// Stored models that read something that would run, and are not selected.
    pub left_behind: Vec<String>,
}

/// What would become of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedModel {
    /// Its name.
    pub name: String,
    /// What would be done.
    pub forecast: Forecast,
    /// The input that makes a build by keys a whole one: it changed, and the keys do not reach it.
    pub whole_because: Option<String>,
    /// Columns that would be added, removed or retyped.
    pub columns: Vec<ColumnChange>,
    /// What may differ in it because the SQL did, its own or that of a model before it.
    pub felt: Felt,
}

/// What a build would do with a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forecast {
    /// Nothing: its table is what it would be computed to.
    Unchanged,
    /// Nothing: `prod` has the table that it would be computed to.
    Shared,
    /// It is computed for the first time.
    First,
    /// It is computed whole.
    Full(Vec<Difference>),
    /// It is computed for the keys that changed in its inputs; whole all the same when these turn
    /// out to be too many, or when any row may depend on what changed.
    Keys {
        /// The columns of the keys.
        by: Vec<String>,
        /// The inputs that changed.
        because: Vec<Difference>,
    },
    /// It reads models that would run, and runs if these hold other rows afterwards.
    MayRun(Vec<String>),
}

impl Forecast {
    /// In machine-readable output.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Shared => "shared",
            Self::First => "first",
            Self::Full(_) => "full",
            Self::Keys { .. } => "incremental",
            Self::MayRun(_) => "may_run",
        }
    }

    /// Whether it would run, or may.
    pub fn runs(&self) -> bool {
        !matches!(self, Self::Unchanged | Self::Shared)
    }
}

impl Warehouse {
    /// What a build of `select` in `environment` would do as things stand.
    ///
    /// Fails with [`Error::UnknownModel`], with [`Error::Findings`] when a model does not plan, and
    /// when releases cannot be read.
    pub async fn plan(
        &self,
        project: &Project,
        raw_schemas: &BTreeMap<String, SchemaRef>,
        environment: &Environment,
        select: &[String],
    ) -> Result<BuildPlan> {
        let selected = project.select(select)?;
        let selected: BTreeSet<&str> = selected.iter().map(|model| model.name.as_str()).collect();
        let planned = plan_all(project, raw_schemas, Depth::Types)?;
        if !planned.findings.is_empty() {
            return Err(Error::Findings(planned.findings));
        }
        let mut outlook = self.outlook(project, raw_schemas, &planned, environment).await?;
        let shapes = outlook.prod.iter().chain(&outlook.standing);
        let shapes = shapes.flat_map(|release| release.shapes.clone());
        let mut felt = project.lineage(raw_schemas)?.felt_since(&shapes.collect());
        let mut plan = BuildPlan {
            release: outlook.standing.as_ref().map(|release| release.number),
            models: Vec::new(),
            left_behind: Vec::new(),
        };
        let stored = project.models().filter(|model| model.header.kind != Kind::View);
        for model in stored.collect::<Vec<_>>() {
            if !selected.contains(model.name.as_str()) {
                if outlook.leaves_behind(model) {
                    plan.left_behind.push(model.name.clone());
                }
                continue;
            }
            let old = outlook.stands.get(&model.name).cloned();
            let forecast = outlook.forecast(model);
            let mut changes = Vec::new();
            if let Some((old, new)) = old.zip(planned.schemas.get(&model.name)) {
                let old = self.stands_at(project, &model.name, &old).await?;
                changes = columns::changes(&old.schema(), new);
            }
            let felt = felt.remove(&model.name).filter(|_| forecast.runs()).unwrap_or_default();
            let name = model.name.clone();
            let whole_because = match &forecast {
                Forecast::Keys { because, .. } => {
                    let roles = project.roles(raw_schemas, &name)?;
                    let mut inputs = because.iter().filter_map(Difference::input);
                    let whole = inputs.find(|input| roles.get(*input) == Some(&Role::Dimension));
                    whole.map(str::to_owned)
                }
                _ => None,
            };
            let columns = changes;
            plan.models.push(PlannedModel { name, forecast, whole_because, columns, felt });
        }
        Ok(plan)
    }

    /// The stored models that a build in `environment` would compute, whatever the others did: never
    /// built, changed, or computed from tables that hold something else by now. A model that does
    /// not plan has changed. What only reads them is not among them.
    ///
    /// Fails when releases cannot be read.
    pub async fn changed(
        &self,
        project: &Project,
        raw_schemas: &BTreeMap<String, SchemaRef>,
        environment: &Environment,
    ) -> Result<BTreeSet<String>> {
        let planned = plan_all(project, raw_schemas, Depth::Types)?;
        let mut outlook = self.outlook(project, raw_schemas, &planned, environment).await?;
        let mut changed = BTreeSet::new();
        for model in project.models().filter(|model| model.header.kind != Kind::View) {
            let now = outlook.basis(model);
            let plans = planned.plans.contains_key(&model.name);
            if !plans || outlook.by_itself(model, &now).runs() {
                changed.insert(model.name.clone());
            }
        }
        Ok(changed)
    }

    /// The project itself, or one that knows what changed if `select` asks for that.
    ///
    /// Fails as [`Warehouse::changed`] does.
    pub async fn with_changed<'p>(
        &self,
        project: &'p Project,
        raw_schemas: &BTreeMap<String, SchemaRef>,
        environment: &Environment,
        select: &[String],
    ) -> Result<Cow<'p, Project>> {
        if project.knows_changed() || !selection::asks_for_changed(select) {
            return Ok(Cow::Borrowed(project));
        }
        let changed = self.changed(project, raw_schemas, environment).await?;
        Ok(Cow::Owned(project.clone().with_changed(changed)))
    }

    /// How things stand for models that were planned.
    async fn outlook<'p>(
        &self,
        project: &'p Project,
        raw_schemas: &BTreeMap<String, SchemaRef>,
        planned: &Planned,
        environment: &Environment,
    ) -> Result<Outlook<'p>> {
        let plans = digests(project, planned)?;
        let raw = self.landed(&landed_schemas(raw_schemas)?).await?;
        let raw = raw.iter().map(|(name, snapshot)| (name.clone(), snapshot.at()));
        let standing = self.current_release(environment).await?;
        let prod = if environment.is_prod() {
            None
        } else {
            self.current_release(&Environment::default()).await?
        };
        let (models, bases) = begin(project, standing.as_ref(), prod.as_ref());
        let mut stands: BTreeMap<String, TableAt> = raw.collect();
        stands.extend(models);
        Ok(Outlook {
            project,
            standing,
            plans,
            environment: environment.clone(),
            stands,
            bases,
            prod,
            runs: BTreeSet::new(),
        })
    }
}

/// How things stand while the models are gone through in order.
struct Outlook<'a> {
    project: &'a Project,
    /// The newest release of the environment.
    standing: Option<Release>,
    /// Model -> digest of its plan.
    plans: BTreeMap<String, String>,
    environment: Environment,
    /// Where every table stands, as far as the models have been gone through.
    stands: BTreeMap<String, TableAt>,
    /// Model -> what that was computed from.
    bases: BTreeMap<String, Basis>,
    prod: Option<Release>,
    /// Models that would run or may, and those left behind by them.
    runs: BTreeSet<String>,
}

impl Outlook<'_> {
    /// What would be done with a selected model.
    fn forecast(&mut self, model: &Model) -> Forecast {
        let now = self.basis(model);
        let forecast = self.by_itself(model, &now);
        let inputs = self.project.stored_inputs(model).into_iter();
        let moved: Vec<String> = inputs.filter(|input| self.runs.contains(input)).collect();
        let forecast = match forecast {
            Forecast::Unchanged | Forecast::Shared if !moved.is_empty() => Forecast::MayRun(moved),
            forecast => forecast,
        };
        if forecast.runs() {
            self.runs.insert(model.name.clone());
        }
        forecast
    }

    /// What its rows would be computed from now.
    fn basis(&self, model: &Model) -> Basis {
        basis_of(self.project, model, &self.plans, |input| self.stands.get(input))
    }

    /// The same, if the models that it reads stayed as they are.
    fn by_itself(&mut self, model: &Model, now: &Basis) -> Forecast {
        let name = &model.name;
        let own = self.stands.get(name).zip(self.bases.get(name));
        let own =
            own.map(|(at, basis)| (at.environment == self.environment, basis.differences(now)));
        if let Some((is_own, differences)) = &own
            && differences.is_empty()
        {
            return if *is_own { Forecast::Unchanged } else { Forecast::Shared };
        }
        let prod = self.prod.as_ref();
        let prod = prod.and_then(|prod| prod.tables.get(name).zip(prod.models.get(name)));
        if let Some((at, _)) = prod.filter(|(_, basis)| basis.agrees_with(now)) {
            self.stands.insert(name.clone(), at.clone());
            return Forecast::Shared;
        }
        let Some((is_own, differences)) = own else { return Forecast::First };
        let by = &model.header.changed_by;
        let is_moved = |difference: &Difference| matches!(difference, Difference::Input { .. });
        if is_own && !by.is_empty() && differences.iter().all(is_moved) {
            return Forecast::Keys { by: by.clone(), because: differences };
        }
        Forecast::Full(differences)
    }

    /// Whether a model that is not selected reads something that runs.
    fn leaves_behind(&mut self, model: &Model) -> bool {
        let inputs = self.project.stored_inputs(model);
        let is_left = inputs.iter().any(|input| self.runs.contains(input));
        if is_left {
            self.runs.insert(model.name.clone());
        }
        is_left
    }
}

#[cfg(test)]
mod tests;
