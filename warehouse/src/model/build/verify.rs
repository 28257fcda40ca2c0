//! The proof on the user's own data: every table computed anew and compared with what stands.
//!
//! A model is computed from exactly what its table was computed from, so that what landed since
//! makes no difference; nothing is written. Tables that remember (`append`, `scd2`) are no function
//! of their inputs and are left out.

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::prelude::DataFrame;
use futures::TryStreamExt as _;
use rustc_hash::FxHashMap;

use super::digests;
use super::way::version;
use crate::model::definition::Model;
use crate::model::header::Kind;
use crate::model::inputs::Inputs;
use crate::model::planning::{Depth, plan_all};
use crate::model::project::{Project, landed_schemas};
use crate::model::query::ReadAt;
use crate::model::scope::Scope;
use crate::release::{Basis, Release, TableAt};
use crate::table::{Bag, fit, row_hashes, stored_schema};
use crate::{Error, Result, Warehouse};

/// What came of comparing a table with its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The model.
    pub model: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of comparing a table with its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The same rows.
    Equal {
        /// How many.
        rows: u64,
    },
    /// Other rows.
    Differs {
        /// Rows that the model yields and the table lacks.
        missing: u64,
        /// Rows of the table that the model does not yield.
        surplus: u64,
    },
    /// The model is not what the table was computed by; build it first.
    Edited,
    /// The table has a history of its own.
    Remembers,
    /// There is no table.
    NotBuilt,
}

impl Warehouse {
    /// Computes the selected models whole, each from what its table in the release was computed
    /// from, and compares all rows. Writes nothing.
    ///
    /// Fails with [`Error::UnknownModel`], or when something does not read or compute.
    pub async fn verify(
        &self,
        project: &Project,
        raw_schemas: &BTreeMap<String, SchemaRef>,
        at: &ReadAt,
        select: &[String],
    ) -> Result<Vec<Verified>> {
        let Some(release) = self.release_at(at).await? else {
            return Err(Error::NoRelease { environment: at.environment.to_string() });
        };
        let planned = plan_all(project, raw_schemas, Depth::Types)?;
        let plans = digests(project, &planned)?;
        let raw_schemas = landed_schemas(raw_schemas)?;
        let mut verified = Vec::new();
        for model in project.select(select)? {
            if model.header.kind == Kind::View {
                continue;
            }
            let subject = Subject { warehouse: self, project, raw_schemas: &raw_schemas, model };
            let outcome = subject.verify(&release, plans.get(&model.name)).await?;
            verified.push(Verified { model: model.name.clone(), outcome });
        }
        Ok(verified)
    }
}

struct Subject<'a> {
    warehouse: &'a Warehouse,
    project: &'a Project,
    raw_schemas: &'a BTreeMap<String, SchemaRef>,
    model: &'a Model,
}

impl Subject<'_> {
    async fn verify(&self, release: &Release, plan: Option<&String>) -> Result<Outcome> {
        let name = &self.model.name;
        let (Some(at), Some(basis)) = (release.tables.get(name), release.models.get(name)) else {
            return Ok(Outcome::NotBuilt);
        };
        if matches!(self.model.header.kind, Kind::Append | Kind::Scd2) {
            return Ok(Outcome::Remembers);
        }
        if plan != Some(&basis.plan) {
            return Ok(Outcome::Edited);
        }
        let table = version(self.warehouse, self.project, name, at).await?;
        let scope = Scope::new(self.warehouse.session()?)?;
        let computed = self.computed(&scope, basis).await?;
        let stands = scope.session().read_table(table.provider()?);
        let stands = stands.map_err(self.failed())?;
        let (is, should) = (self.bag(&stands).await?, self.bag(&computed).await?);
        if is == should {
            return Ok(Outcome::Equal { rows: is.rows() });
        }
        self.difference(&stands, &computed).await
    }

    /// The model over what its table was computed from.
    async fn computed(&self, scope: &Scope, basis: &Basis) -> Result<DataFrame> {
        let mut inputs = Inputs {
            warehouse: self.warehouse,
            project: self.project,
            raw_schemas: self.raw_schemas,
            raw: BTreeMap::new(),
            models: BTreeMap::new(),
            steps: BTreeMap::new(),
        };
        for (name, at) in &basis.inputs {
            let Some(at) = at else { continue };
            if name.contains('.') {
                let snapshot = version(self.warehouse, self.project, name, at).await?;
                inputs.raw.insert(name.clone(), snapshot);
            } else {
                inputs.models.insert(name.clone(), TableAt::clone(at));
            }
        }
        inputs.fill(scope, &self.model.references).await?;
        let plan = scope.plan(self.model.statement.clone()).await.map_err(self.failed())?;
        Ok(DataFrame::new(scope.session().state(), plan))
    }

    async fn bag(&self, frame: &DataFrame) -> Result<Bag> {
        let mut bag = Bag::default();
        self.each(frame, |batch| bag.add(batch)).await?;
        Ok(bag)
    }

    /// How many rows only one of both has.
    async fn difference(&self, stands: &DataFrame, computed: &DataFrame) -> Result<Outcome> {
        let mut counts: FxHashMap<u128, i64> = FxHashMap::default();
        for (frame, one) in [(stands, -1), (computed, 1)] {
            self.each(frame, |batch| {
                for hash in row_hashes(batch.columns(), batch.num_rows())? {
                    *counts.entry(hash).or_default() += one;
                }
                Ok(())
            })
            .await?;
        }
        let sum = |sign: i64| -> u64 {
            let rows = counts.values().map(|count| count * sign).filter(|count| *count > 0);
            rows.map(i64::unsigned_abs).sum()
        };
        Ok(Outcome::Differs { missing: sum(1), surplus: sum(-1) })
    }

    /// Every batch in its stored form.
    async fn each(
        &self,
        frame: &DataFrame,
        mut take: impl FnMut(&RecordBatch) -> Result<(), DataFusionError>,
    ) -> Result<()> {
        let name = &self.model.name;
        let mut stream = frame.clone().execute_stream().await.map_err(self.failed())?;
        let schema = stored_schema(name, &stream.schema())?;
        while let Some(batch) = stream.try_next().await.map_err(self.failed())? {
            take(&fit(name, &batch, &schema)?).map_err(self.failed())?;
        }
        Ok(())
    }

    fn failed(&self) -> impl Fn(DataFusionError) -> Error + use<> {
        let name = self.model.name.clone();
        move |error| Error::engine(format!("verifying `{name}`"))(error)
    }
}
