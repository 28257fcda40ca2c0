//! What a build would do: which models, why, and what becomes of their columns. Nothing is written.
//!
//! It asks the same question as the build (does the basis of the standing table agree with how
//! things are now?), so that what it foresees is what happens, unless rows land in between.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::datatypes::SchemaRef;

use super::build::schedule::basis_of;
use super::build::{begin, digests};
use super::columns::{self, ColumnChange};
use super::definition::Model;
use super::header::Kind;
use super::lineage::Felt;
use super::planning::{Depth, plan_all};
use super::project::{Project, landed_schemas};
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
        let plans = digests(project, &planned)?;
        let raw = self.landed(&landed_schemas(raw_schemas)?).await?;
        let raw = raw.iter().map(|(name, snapshot)| (name.clone(), snapshot.at()));
        let standing = self.current_release(environment).await?;
        let prod = if environment.is_prod() {
            None
        } else {
            self.current_release(&Environment::default()).await?
        };
        let (models, bases) = begin(project, standing.as_ref(), prod.as_ref());
        let shapes = prod.iter().chain(&standing).flat_map(|release| release.shapes.clone());
        let mut felt = project.lineage(raw_schemas)?.felt_since(&shapes.collect());
        let mut stands: BTreeMap<String, TableAt> = raw.collect();
        stands.extend(models);
        let runs = BTreeSet::new();
        let environment = environment.clone();
        let mut outlook = Outlook { project, plans, environment, stands, bases, prod, runs };
        let mut plan = BuildPlan {
            release: standing.as_ref().map(|release| release.number),
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
            plan.models.push(PlannedModel { name, forecast, columns: changes, felt });
        }
        Ok(plan)
    }
}

/// How things stand while the models are gone through in order.
struct Outlook<'a> {
    project: &'a Project,
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
        let now = basis_of(self.project, model, &self.plans, |input| self.stands.get(input));
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
