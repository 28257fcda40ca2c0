//! What a model or a query reads: one version of every table, views pasted in.
//!
//! A raw table that nothing was landed in yet reads as empty, with its declared columns; one that
//! lacks a newly declared column reads as null there.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::checks::compared_with;
use super::complaint::explain;
use super::definition::Model;
use super::header::Kind;
use super::project::Project;
use super::references::{self, Reference, Target};
use super::scope::Scope;
use crate::ops::VIEWS;
use crate::release::TableAt;
use crate::table::{Snapshot, Step, widened};
use crate::{Error, OpsTable, Result, Warehouse};

/// The versions that one build or one query reads.
#[derive(Clone)]
pub(crate) struct Inputs<'a> {
    pub(crate) warehouse: &'a Warehouse,
    pub(crate) project: &'a Project,
    /// Declared, in stored form.
    pub(crate) raw_schemas: &'a BTreeMap<String, SchemaRef>,
    /// Raw tables that exist.
    pub(crate) raw: BTreeMap<String, Snapshot>,
    /// Models that have a table: where it stands.
    pub(crate) models: BTreeMap<String, TableAt>,
    /// Models whose tables were replaced in parts: how they came to stand there.
    pub(crate) steps: BTreeMap<String, Step>,
}

impl Inputs<'_> {
    /// Registers all that `references` name, views with what they read.
    pub(crate) async fn fill(&self, scope: &Scope, references: &[Reference]) -> Result<()> {
        let mut done = HashSet::new();
        for reference in references {
            self.add(scope, &reference.target, &mut done).await?;
        }
        Ok(())
    }

    /// Registers the models that the checks of `model` compare with, but for itself.
    pub(crate) async fn fill_compared(&self, scope: &Scope, model: &Model) -> Result<()> {
        let mut done = HashSet::from([model.name.clone()]);
        done.extend(model.references.iter().map(|reference| reference.target.name().to_owned()));
        for name in compared_with(model) {
            self.add(scope, &Target::Model(name.to_owned()), &mut done).await?;
        }
        Ok(())
    }

    fn add<'b>(
        &'b self,
        scope: &'b Scope,
        target: &'b Target,
        done: &'b mut HashSet<String>,
    ) -> BoxFuture<'b, Result<()>> {
        async move {
            if !done.insert(target.name().to_owned()) {
                return Ok(());
            }
            let provider: Option<Arc<dyn TableProvider>> = match target {
                Target::Raw(name) => self.raw_table(name)?,
                Target::Ops(name) => self.ops(scope, name, done).await?,
                Target::Model(name) => self.model(scope, name, done).await?,
                Target::Other(_) => None,
            };
            match provider {
                Some(provider) => scope.add(target, provider),
                None => Ok(()), // the planner says that there is no such table, and where
            }
        }
        .boxed()
    }

    fn raw_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let declared = self.raw_schemas.get(name);
        match (self.raw.get(name), declared) {
            (Some(snapshot), None) => snapshot.provider().map(Some),
            (Some(snapshot), Some(declared)) => {
                widened(name, snapshot.provider()?, declared).map(Some)
            }
            (None, Some(declared)) => {
                Ok(Some(Arc::new(EmptyTable::new(Arc::clone(declared))) as _))
            }
            (None, None) => Ok(None),
        }
    }

    async fn ops(
        &self,
        scope: &Scope,
        name: &str,
        done: &mut HashSet<String>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let bare = name.strip_prefix("ops.").unwrap_or(name);
        if let Some(table) = OpsTable::ALL.iter().find(|table| table.name() == bare) {
            return self.warehouse.ops_provider(*table).await.map(Some);
        }
        let Some((_, sql)) = VIEWS.iter().find(|(view, _)| *view == bare) else { return Ok(None) };
        self.view(scope, name, sql, done).await.map(Some)
    }

    async fn model(
        &self,
        scope: &Scope,
        name: &str,
        done: &mut HashSet<String>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let model = self.project.model(name);
        if let Some(model) = model.filter(|model| model.header.kind == Kind::View) {
            return self.view(scope, name, &model.text, done).await.map(Some);
        }
        match (self.models.get(name), model) {
            // The model of a table in an older release may no longer be in the project.
            (Some(at), model) => {
                let table = at.table_name(name, model.map(|model| model.layer))?;
                self.warehouse.table(&table).provider(Some(at.version)).await.map(Some)
            }
            (None, Some(_)) => Err(Error::NotBuilt { model: name.to_owned() }),
            (None, None) => Ok(None),
        }
    }

    async fn view(
        &self,
        scope: &Scope,
        name: &str,
        sql: &str,
        done: &mut HashSet<String>,
    ) -> Result<Arc<dyn TableProvider>> {
        let statement = references::parse_statement(sql).map_err(|(place, message, hint)| {
            Error::Query { line: place.line, column: place.column, message, hint }
        })?;
        for reference in references::references(&statement) {
            self.add(scope, &reference.target, done).await?;
        }
        match scope.view(name, statement).await {
            Ok(view) => Ok(Arc::new(view)),
            Err(error) => {
                let spot = explain(sql, &error);
                let path = self.project.model(name).map_or(name, |model| model.path.as_str());
                let finding = spot.place.finding(spot.code, path, spot.message, spot.hint);
                Err(Error::Findings(vec![finding]))
            }
        }
    }
}
