//! Reading: SQL over one release.
//!
//! Only statements that read are planned (`select`, `values`, `explain`, `show`, `describe`);
//! whatever creates, changes, copies or sets is refused before anything runs. Models and raw
//! tables are those of the release, `ops.*` is always the newest.

use std::collections::BTreeMap;

use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::DataFrame;

use super::complaint::explain;
use super::finding::{Place, did_you_mean};
use super::header::Kind;
use super::inputs::Inputs;
use super::project::{Project, landed_schemas};
use super::references::{self, Reference, Target};
use super::scope::Scope;
use crate::environment::Environment;
use crate::ops::VIEWS;
use crate::release::TableAt;
use crate::table::TableName;
use crate::{Error, OpsTable, Release, Result, Warehouse};

/// Which release a query reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadAt {
    /// Of which environment; `prod` by default.
    pub environment: Environment,
    /// Its number; the newest without. Before the first one only `raw.*` and `ops.*` can be read.
    pub release: Option<u64>,
}

impl Warehouse {
    /// The release that `at` means; `None` before the first.
    ///
    /// Fails with [`Error::UnknownRelease`] for a number that there is not.
    pub async fn release_at(&self, at: &ReadAt) -> Result<Option<Release>> {
        match at.release {
            None => self.current_release(&at.environment).await,
            Some(number) => self.release(&at.environment, number).await.map(Some),
        }
    }
}

impl Warehouse {
    /// Runs one read-only statement over a release.
    ///
    /// `project` says which models are views and what raw tables look like that do not exist yet.
    /// Dropping the stream stops the query. Fails with [`Error::Query`] for a statement that does
    /// not plan or does not only read, [`Error::NotBuilt`] for a model outside the release.
    pub async fn query(
        &self,
        project: &Project,
        sql: &str,
        at: &ReadAt,
    ) -> Result<SendableRecordBatchStream> {
        let statement = references::parse_statement(sql).map_err(|(place, message, hint)| {
            Error::Query { line: place.line, column: place.column, message, hint }
        })?;
        let release = self.release_at(at).await?;
        let mut references = references::references(&statement);
        let catalog = references.iter().any(|r| r.target.name().starts_with("information_schema."));
        if catalog {
            references.extend(everything(project, release.as_ref()));
        }
        let raw_schemas = landed_schemas(project.raw_schemas())?;
        let models = release.as_ref().map(|release| models_of(&release.tables));
        let mut inputs = Inputs {
            warehouse: self,
            project,
            raw_schemas: &raw_schemas,
            raw: BTreeMap::new(),
            models: models.unwrap_or_default(),
            steps: BTreeMap::new(),
        };
        inputs.raw = raw_snapshots(&inputs, release.as_ref(), &references).await?;
        let scope = Scope::new(self.session()?)?;
        inputs.fill(&scope, &references).await?;
        let plan = scope.plan(statement).await.map_err(|error| refusal(project, sql, &error))?;
        DataFrame::new(scope.session().state(), plan)
            .execute_stream()
            .await
            .map_err(Error::engine("running the query"))
    }
}

fn refusal(project: &Project, sql: &str, error: &DataFusionError) -> Error {
    let mut spot = explain(sql, error);
    if spot.hint.is_none()
        && let Some(name) = spot.message.split('\'').nth(1)
        && spot.message.contains("not found")
    {
        let name = name.strip_prefix("datafusion.public.").unwrap_or(name);
        let ops = OpsTable::ALL.iter().map(|table| format!("ops.{}", table.name()));
        let raw = project.raw_schemas().keys().cloned();
        let models = project.models().map(|model| model.name.clone());
        let known: Vec<String> = ops.chain(raw).chain(models).collect();
        spot.hint = did_you_mean(name, known.iter().map(String::as_str));
        spot.message = format!("there is no table `{name}`");
    }
    let lower = spot.message.to_lowercase();
    if ["ddl", "dml", "statement"].iter().any(|kind| lower.starts_with(&format!("{kind} not supp")))
    {
        spot.message = String::from("a query only reads; this statement does more");
        spot.hint = Some("use `select`, `explain`, `show` or `describe`".to_owned());
    }
    Error::Query {
        line: spot.place.line,
        column: spot.place.column,
        message: spot.message,
        hint: spot.hint,
    }
}

/// The tables of a release that are models'.
pub(crate) fn models_of(tables: &BTreeMap<String, TableAt>) -> BTreeMap<String, TableAt> {
    tables
        .iter()
        .filter(|(name, _)| !name.contains('.'))
        .map(|(name, at)| (name.clone(), at.clone()))
        .collect()
}

/// The raw tables that `references` need, through views too: as the release names them, else the
/// newest.
async fn raw_snapshots(
    inputs: &Inputs<'_>,
    release: Option<&Release>,
    references: &[Reference],
) -> Result<BTreeMap<String, crate::Snapshot>> {
    let mut wanted: Vec<&str> = Vec::new();
    let mut open: Vec<&Target> = references.iter().map(|reference| &reference.target).collect();
    let mut seen: Vec<&str> = Vec::new();
    while let Some(target) = open.pop() {
        match target {
            Target::Raw(name) if !wanted.contains(&name.as_str()) => wanted.push(name),
            Target::Model(name) if !seen.contains(&name.as_str()) => {
                seen.push(name);
                if let Some(model) = inputs.project.model(name)
                    && model.header.kind == Kind::View
                {
                    open.extend(model.references.iter().map(|reference| &reference.target));
                }
            }
            _ => {}
        }
    }
    let mut snapshots = BTreeMap::new();
    for name in wanted {
        let Ok(table) = name.parse::<TableName>() else { continue };
        let table = inputs.warehouse.table(&table);
        let snapshot = match release.and_then(|release| release.tables.get(name)) {
            Some(at) => Some(table.snapshot_at(at.version).await?),
            None => table.snapshot().await?,
        };
        if let Some(snapshot) = snapshot {
            snapshots.insert(name.to_owned(), snapshot);
        }
    }
    Ok(snapshots)
}

/// All that can be read, for `show tables`.
fn everything(project: &Project, release: Option<&Release>) -> Vec<Reference> {
    let tables = release.map(|release| release.tables.keys().cloned()).into_iter().flatten();
    let views = project
        .models()
        .filter(|model| model.header.kind == Kind::View)
        .map(|model| model.name.clone());
    let names = tables.chain(views);
    let models = names
        .map(|name| if name.starts_with("raw.") { Target::Raw(name) } else { Target::Model(name) });
    let raw = project.raw_schemas().keys().cloned().map(Target::Raw);
    let ops = OpsTable::ALL.iter().map(|table| table.name());
    let ops = ops.chain(VIEWS.iter().map(|(name, _)| *name));
    let ops = ops.map(|name| Target::Ops(format!("ops.{name}")));
    models.chain(raw).chain(ops).map(|target| Reference { target, place: Place::START }).collect()
}
