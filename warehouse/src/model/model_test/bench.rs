//! What test files are run on: the models they need, planned once for all of them.
//!
//! A case computes only the models between what it gives and what it expects, and of those only
//! the ones that can have a row at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::MemTable;
use datafusion::prelude::DataFrame;

use super::cells::{batch_of, cells_of};
use super::difference::{differ, rewritten};
use super::file::{Case, TestFile, TestTable};
use super::stage::{self, Stage};
use super::{CaseReport, Completed, TestReport, cte};
use crate::model::checks::{Audit, CheckStatus};
use crate::model::complaint::explain;
use crate::model::definition::Model;
use crate::model::finding::did_you_mean;
use crate::model::planning::{Depth, Planned, plan_all};
use crate::model::project::{Project, landed_schemas};
use crate::model::references::Target;
use crate::model::scope::{Scope, plain};
use crate::table::{fit, stored_schema};
use crate::{Error, Result};

/// The models that some files need, planned.
pub struct Bench {
    /// Only what the files need.
    project: Project,
    raw: BTreeMap<String, SchemaRef>,
    planned: Planned,
    /// Every model of the whole project, for suggestions.
    known: BTreeSet<String>,
    /// Plans that are kept, for each time that cases are at.
    stages: BTreeMap<Option<DateTime<Utc>>, Stage>,
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("project", &self.project).finish_non_exhaustive()
    }
}

/// The tables of a case.
struct Computed {
    /// Knows those that were given or computed and no other, for checks and steps.
    scope: Scope,
    tables: BTreeMap<String, Rows>,
}

#[derive(Clone)]
struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Rows {
    fn none(schema: &SchemaRef) -> Self {
        Self { schema: Arc::clone(schema), batches: Vec::new() }
    }

    fn fitted(name: &str, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Self> {
        let batches = batches.iter().map(|batch| fit(name, batch, schema));
        Ok(Self { schema: Arc::clone(schema), batches: batches.collect::<Result<_>>()? })
    }

    fn are_there(&self) -> bool {
        self.batches.iter().any(|batch| batch.num_rows() > 0)
    }

    fn provider(&self, name: &str) -> Result<Arc<MemTable>> {
        MemTable::try_new(Arc::clone(&self.schema), vec![self.batches.clone()])
            .map(Arc::new)
            .map_err(Error::engine(format!("holding `{name}` in memory")))
    }
}

/// What a model or a step of it answers, or why it does not.
type Answer<T> = Result<std::result::Result<T, String>>;

struct Compared {
    difference: Option<String>,
    rewritten: Vec<String>,
}

impl Bench {
    /// Plans the models that the files name, and all that those read.
    ///
    /// Fails when a raw schema cannot be stored or the engine cannot be set up. A model that does
    /// not plan fails the cases that need it.
    pub fn new<'a>(
        project: &Project,
        raw_schemas: &BTreeMap<String, SchemaRef>,
        files: impl IntoIterator<Item = &'a TestFile>,
    ) -> Result<Self> {
        let named: BTreeSet<&str> =
            files.into_iter().flat_map(TestFile::tables).map(|table| table.name.as_str()).collect();
        let needed = project.only(&named);
        Ok(Self {
            planned: plan_all(&needed, raw_schemas, Depth::Types)?,
            raw: landed_schemas(raw_schemas)?,
            project: needed,
            known: project.models().map(|model| model.name.clone()).collect(),
            stages: BTreeMap::new(),
        })
    }

    /// Runs the cases of a file that the bench was made for.
    ///
    /// A failed case is in the report. Fails with [`Error::TestFile`] for a file that names a table
    /// or column that does not exist, or has a cell that does not read.
    pub async fn run(&mut self, file: &TestFile) -> Result<TestReport> {
        let mut cases = Vec::with_capacity(file.cases.len());
        for case in &file.cases {
            let start = Instant::now();
            let (failure, exercised) = self.check(file, case).await?;
            let with_rows = case.expect.iter().filter(|table| !table.rows.is_empty());
            cases.push(CaseReport {
                name: case.name.clone(),
                line: case.line,
                took: start.elapsed(),
                failure,
                expected: with_rows
                    .filter(|table| {
                        table.cte.is_empty() && self.project.model(&table.name).is_some()
                    })
                    .map(|table| table.name.clone())
                    .collect(),
                exercised,
            });
        }
        Ok(TestReport { path: file.path.clone(), title: file.title.clone(), cases })
    }

    /// The file with the rows that the models yield in every `expect` table that differs. Nothing
    /// else of it changes.
    ///
    /// Fails as [`Bench::run`] does.
    pub async fn complete(&mut self, file: &TestFile) -> Result<Completed> {
        let mut edits: Vec<(usize, usize, Vec<String>)> = Vec::new();
        let mut failures = Vec::new();
        for case in &file.cases {
            match self.edits(file, case).await? {
                Ok(found) => edits.extend(found),
                Err(failure) => failures.push((case.line, format!("{}: {failure}", case.name))),
            }
        }
        if edits.is_empty() {
            return Ok(Completed { text: None, failures });
        }
        let mut lines: Vec<String> = file.text.split('\n').map(str::to_owned).collect();
        let ending = if file.text.contains("\r\n") { "\r" } else { "" };
        // From the end, so that the places of the others stay.
        edits.sort_by_key(|(first, ..)| std::cmp::Reverse(*first));
        for (first, count, rows) in edits {
            let end = (first + count).min(lines.len());
            let rows = rows.into_iter().map(|row| row + ending);
            lines.splice(first.min(end)..end, rows);
        }
        Ok(Completed { text: Some(lines.join("\n")), failures })
    }

    /// The tables of a case that differ: where their rows begin, how many lines they are, and the
    /// lines that belong there.
    async fn edits(
        &mut self,
        file: &TestFile,
        case: &Case,
    ) -> Answer<Vec<(usize, usize, Vec<String>)>> {
        let computed = match self.compute(file, case).await? {
            Ok(computed) => computed,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut edits = Vec::new();
        for table in &case.expect {
            match self.compare(file, &computed, table).await? {
                Ok(Compared { difference: None, .. }) => {}
                Ok(Compared { rewritten, .. }) => {
                    edits.push((table.first_row, table.rows.len(), rewritten));
                }
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(edits))
    }

    /// What went wrong in a case, and the models that were exercised.
    async fn check(
        &mut self,
        file: &TestFile,
        case: &Case,
    ) -> Result<(Option<String>, BTreeSet<String>)> {
        let computed = match self.compute(file, case).await? {
            Ok(computed) => computed,
            Err(failure) => return Ok((Some(failure), BTreeSet::new())),
        };
        let mut failures = Vec::new();
        for table in &case.expect {
            match self.compare(file, &computed, table).await? {
                Ok(compared) => failures.extend(compared.difference),
                Err(failure) => failures.push(format!("line {}: {failure}", table.line)),
            }
        }
        let with_rows = case.expect.iter().filter(|table| !table.rows.is_empty());
        let mut exercised = self.between(case, with_rows);
        exercised.retain(|name| computed.tables.get(*name).is_some_and(Rows::are_there));
        let exercised = exercised.into_iter().map(str::to_owned).collect();
        Ok(((!failures.is_empty()).then(|| failures.join("\n\n")), exercised))
    }

    /// The models that are computed for these tables: not what is given, nor what only that reads.
    fn between<'a>(
        &'a self,
        case: &Case,
        expected: impl IntoIterator<Item = &'a TestTable>,
    ) -> BTreeSet<&'a str> {
        let given: BTreeSet<&str> = case.given.iter().map(|table| table.name.as_str()).collect();
        let mut between: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = Vec::new();
        for table in expected {
            match self.project.model(&table.name) {
                // A step is computed from what the model reads.
                Some(model) if !table.cte.is_empty() => open.extend(model.reads()),
                _ => open.push(&table.name),
            }
        }
        while let Some(name) = open.pop() {
            if let Some(model) = self.project.model(name)
                && !given.contains(name)
                && between.insert(name)
            {
                open.extend(model.reads());
            }
        }
        between
    }

    /// All tables of a case: those given, and every model that an expected one is computed from.
    async fn compute(&mut self, file: &TestFile, case: &Case) -> Answer<Computed> {
        let mut stage = match self.stages.remove(&case.at) {
            Some(stage) => stage,
            None => self.stage(case.at)?,
        };
        let computed = self.compute_on(&mut stage, file, case).await;
        self.stages.insert(case.at, stage);
        computed
    }

    fn stage(&self, at: Option<DateTime<Utc>>) -> Result<Stage> {
        let tables = self.raw.iter().chain(&self.planned.schemas);
        Stage::new(at, tables.map(|(name, schema)| (target(name), schema)))
    }

    async fn compute_on(
        &self,
        stage: &mut Stage,
        file: &TestFile,
        case: &Case,
    ) -> Answer<Computed> {
        stage.clear();
        let scope = stage::scope(case.at)?;
        let needed = self.between(case, &case.expect);
        let mut tables = BTreeMap::new();
        for table in &case.given {
            let schema = match self.schema(file, table)? {
                Ok(schema) => schema,
                Err(failure) => return Ok(Err(failure)),
            };
            let rows = batch_of(schema, table).map_err(|(line, why)| wrong(file, line, why))?;
            tables.insert(
                table.name.clone(),
                Rows { schema: Arc::clone(schema), batches: vec![rows] },
            );
        }
        for table in &case.expect {
            if let Err(failure) = self.schema(file, table)? {
                return Ok(Err(failure));
            }
        }
        for (name, schema) in &self.raw {
            tables.entry(name.clone()).or_insert_with(|| Rows::none(schema));
        }
        for (name, rows) in &tables {
            scope.add(&target(name), rows.provider(name)?)?;
            stage.put(name, rows.batches.clone());
        }
        let mut computed = Computed { scope, tables };
        for model in self.project.models().filter(|model| needed.contains(model.name.as_str())) {
            let rows = match self.model(&computed, stage, model).await? {
                Ok(rows) => rows,
                Err(failure) => return Ok(Err(failure)),
            };
            computed.scope.add(&target(&model.name), rows.provider(&model.name)?)?;
            stage.put(&model.name, rows.batches.clone());
            computed.tables.insert(model.name.clone(), rows);
        }
        Ok(Ok(computed))
    }

    /// The rows of a model, checked.
    async fn model(&self, computed: &Computed, stage: &mut Stage, model: &Model) -> Answer<Rows> {
        let name = &model.name;
        let Some(schema) = self.planned.schemas.get(name) else {
            return Ok(Err(self.why_unplanned(model)));
        };
        let has_rows = |name: &str| computed.tables.get(name).is_some_and(Rows::are_there);
        let fed = model.references.iter().any(|read| has_rows(read.target.name()));
        if !fed && self.planned.barren.contains(name) {
            // Most models of most cases.
            return Ok(Ok(Rows::none(schema)));
        }
        let batches = match stage.run(model).await {
            Ok(batches) => batches,
            Err(why) => return Ok(Err(format!("`{name}` {why}"))),
        };
        let rows = Rows::fitted(name, schema, &batches)?;
        Ok(match broken(&computed.scope, model, &rows).await? {
            Some(complaint) => Err(complaint),
            None => Ok(rows),
        })
    }

    /// The rows of a step of a model.
    async fn step(
        &self,
        file: &TestFile,
        computed: &Computed,
        model: &Model,
        table: &TestTable,
    ) -> Answer<Rows> {
        let title = table.title();
        let statement = cte::answer_with(&model.statement, &table.cte)
            .map_err(|why| wrong(file, table.line, format!("`{title}`: {why}")))?;
        let plan = match computed.scope.plan(statement).await {
            Ok(plan) => plan,
            Err(error) => {
                let spot = explain(&model.text, &error);
                return Ok(Err(format!("`{title}` does not plan: {}", spot.message)));
            }
        };
        let schema = match stored_schema(&title, plan.schema().as_arrow()) {
            Ok(schema) => schema,
            Err(error) => return Ok(Err(error.to_string())),
        };
        match DataFrame::new(computed.scope.session().state(), plan).collect().await {
            Ok(batches) => Ok(Ok(Rows::fitted(&title, &schema, &batches)?)),
            Err(error) => Ok(Err(format!("`{title}` does not run: {}", plain(&error)))),
        }
    }

    async fn compare(
        &self,
        file: &TestFile,
        computed: &Computed,
        table: &TestTable,
    ) -> Answer<Compared> {
        let step;
        let rows = match self.project.model(&table.name) {
            Some(model) if !table.cte.is_empty() => {
                step = match self.step(file, computed, model, table).await? {
                    Ok(rows) => rows,
                    Err(failure) => return Ok(Err(failure)),
                };
                &step
            }
            _ => computed.tables.get(&table.name).ok_or_else(|| {
                wrong(file, table.line, format!("there is no table `{}`", table.name))
            })?,
        };
        let given = batch_of(&rows.schema, table).map_err(|(line, why)| wrong(file, line, why))?;
        let failed = || Error::arrow(format!("comparing `{}`", table.title()));
        let expected = cells_of(&given, &table.columns).map_err(failed())?;
        let mut actual = Vec::new();
        for batch in &rows.batches {
            actual.extend(cells_of(batch, &table.columns).map_err(failed())?);
        }
        let difference = differ(table, &expected, &actual);
        Ok(Ok(Compared { difference, rewritten: rewritten(table, &expected, actual) }))
    }

    /// The types of a table that a file names. A model that does not plan is a failure of the case,
    /// a name that nobody has is one of the file.
    fn schema(
        &self,
        file: &TestFile,
        table: &TestTable,
    ) -> Result<std::result::Result<&SchemaRef, String>> {
        let name = &table.name;
        if let Some(schema) = self.raw.get(name).or_else(|| self.planned.schemas.get(name)) {
            return Ok(Ok(schema));
        }
        if let Some(model) = self.project.model(name) {
            return Ok(Err(self.why_unplanned(model)));
        }
        let known = self.raw.keys().chain(&self.known).map(String::as_str);
        let hint = did_you_mean(name, known).map(|hint| format!("; {hint}")).unwrap_or_default();
        Err(wrong(file, table.line, format!("there is no table `{name}`{hint}")))
    }

    /// What is wrong with a model, or with one that it reads.
    fn why_unplanned(&self, model: &Model) -> String {
        let upstream = self.project.only(&BTreeSet::from([model.name.as_str()]));
        let paths: BTreeSet<&str> = upstream.models().map(|model| model.path.as_str()).collect();
        let findings = self.planned.findings.iter();
        let found = findings.filter(|finding| paths.contains(finding.path.as_str()));
        let lines: Vec<String> = found.map(|finding| format!("\n  {finding}")).collect();
        format!("`{}` does not plan; `inkhouse check` shows where:{}", model.name, lines.concat())
    }
}

fn wrong(file: &TestFile, line: usize, message: impl Into<String>) -> Error {
    Error::TestFile { path: file.path.clone(), line, message: message.into() }
}

fn target(name: &str) -> Target {
    if name.starts_with("raw.") {
        Target::Raw(name.to_owned())
    } else {
        Target::Model(name.to_owned())
    }
}

/// The check that the rows of a model break, in words.
async fn broken(scope: &Scope, model: &Model, rows: &Rows) -> Result<Option<String>> {
    let name = &model.name;
    if !rows.are_there() {
        return Ok(None);
    }
    let stored = model.as_stored();
    let results = Audit::new(scope, &stored, rows.provider(name)? as _).run().await?;
    let broken = results.iter().find(|check| check.status == CheckStatus::Failed);
    Ok(broken.map(|check| {
        format!(
            "`{name}` breaks its check `{}` in {} of {} rows: {}",
            check.name,
            check.failed_rows,
            check.checked_rows,
            check.sample.as_deref().unwrap_or_default(),
        )
    }))
}
