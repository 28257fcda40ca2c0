//! Why a model would be built now or left alone, and what of each input the build would read.
//!
//! It is the plan of a build of the model and all that it reads, together with how far the columns
//! of `changed_by` reach. Nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::datatypes::SchemaRef;

use super::columns::ColumnChange;
use super::definition::Model;
use super::header::Kind;
use super::incremental::inputs::Role;
use super::plan::Forecast;
use super::project::Project;
use crate::release::{Difference, TableAt};
use crate::{Environment, Error, Result, Warehouse};

/// How a model stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The model.
    pub model: String,
    /// Its kind.
    pub kind: Kind,
    /// The newest release of the environment.
    pub release: Option<u64>,
    /// Its table in that release.
    pub stands: Option<TableAt>,
    /// What a build would do with it; `None` for a view, of which nothing is stored.
    pub forecast: Option<Forecast>,
    /// The input that makes a build by keys a whole one: it changed, and the keys do not reach it.
    pub whole_because: Option<String>,
    /// Columns that would be added, removed or retyped.
    pub columns: Vec<ColumnChange>,
    /// The stored tables that it is computed from, views looked through.
    pub inputs: Vec<ExplainedInput>,
}

/// One input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedInput {
    /// Its name.
    pub name: String,
    /// How it takes part in a build by keys; `None` for a model that is always computed whole.
    pub role: Option<Role>,
    /// What it holds otherwise than when the model was computed.
    pub change: Option<Difference>,
    /// It would run itself before the model, or may.
    pub runs: bool,
}

impl Warehouse {
    /// Why a build in `environment` would compute a model now, or would not.
    ///
    /// Fails with [`Error::UnknownModel`], with [`Error::Findings`] when the model or one that it
    /// reads does not plan, and when releases cannot be read.
    pub async fn explain(
        &self,
        project: &Project,
        raw_schemas: &BTreeMap<String, SchemaRef>,
        environment: &Environment,
        name: &str,
    ) -> Result<Explanation> {
        let Some(model) = project.model(name) else {
            // The selection knows the near names.
            project.select(&[name.to_owned()])?;
            return Err(Error::UnknownModel { name: name.to_owned(), hint: None });
        };
        let behind = project.only(&behind(project, model));
        let mut plan = self.plan(&behind, raw_schemas, environment, &[]).await?;
        let release = match plan.release {
            Some(_) => self.current_release(environment).await?,
            None => None,
        };
        let runs: BTreeSet<String> = plan
            .models
            .iter()
            .filter(|model| model.forecast.runs())
            .map(|model| model.name.clone())
            .collect();
        let own = plan.models.iter().position(|planned| planned.name == name);
        let own = own.map(|at| plan.models.swap_remove(at));
        let changes: &[Difference] = match own.as_ref().map(|own| &own.forecast) {
            Some(Forecast::Full(because) | Forecast::Keys { because, .. }) => because,
            _ => &[],
        };
        let roles = behind.roles(raw_schemas, name)?;
        let inputs: Vec<ExplainedInput> = behind
            .stored_reads(model)
            .into_iter()
            .map(|name| ExplainedInput {
                role: roles.get(&name).cloned(),
                change: changes
                    .iter()
                    .find(|change| change.input() == Some(name.as_str()))
                    .cloned(),
                runs: runs.contains(&name),
                name,
            })
            .collect();
        Ok(Explanation {
            model: name.to_owned(),
            kind: model.header.kind,
            release: plan.release,
            stands: release.and_then(|release| release.tables.get(name).cloned()),
            whole_because: own.as_ref().and_then(|own| own.whole_because.clone()),
            inputs,
            columns: own.as_ref().map(|own| own.columns.clone()).unwrap_or_default(),
            forecast: own.map(|own| own.forecast),
        })
    }
}

/// The model, and all models that it is computed from or checked against.
fn behind<'p>(project: &'p Project, model: &'p Model) -> BTreeSet<&'p str> {
    let mut names = BTreeSet::new();
    let mut open = vec![model];
    while let Some(model) = open.pop() {
        if names.insert(model.name.as_str()) {
            open.extend(model.depends_on().filter_map(|name| project.model(name)));
        }
    }
    names
}

#[cfg(test)]
mod tests;
