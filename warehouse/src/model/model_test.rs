//! Unit tests of models, written as Markdown tables.
//!
//! A case gives rows of some tables and expects rows of others; every model on the way between is
//! computed, with its checks, from what was given. Tables that are not given are empty. Only the
//! columns that are named are compared, rows in any order unless it says `ordered`. An empty cell
//! is null, `""` is empty text, and a cell of a list or struct is JSON.

mod cells;
mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::datasource::MemTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::prelude::DataFrame;

use self::cells::{batch_of, cells_of};
use self::file::{Case, TestFile, TestTable};
use super::check::explain;
use super::checks::{self, CheckStatus};
use super::definition::Model;
use super::planning::{Depth, Planned, plan_all};
use super::project::{Project, landed_schemas};
use super::references::Target;
use super::scope::{Scope, plain};
use crate::table::fit;
use crate::{Error, Result};

/// Rows shown of a difference.
const SHOWN: usize = 20;

/// How the cases of a file ended.
#[derive(Debug, Clone)]
pub struct TestReport {
    /// The file.
    pub path: String,
    /// Its title.
    pub title: String,
    /// In the order of the file.
    pub cases: Vec<CaseReport>,
}

impl TestReport {
    /// Whether all cases passed.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.failure.is_none())
    }
}

/// How a case ended.
#[derive(Debug, Clone)]
pub struct CaseReport {
    /// Its name; the file's title when it has none.
    pub name: String,
    /// The line on which it begins.
    pub line: usize,
    /// Seconds it took.
    pub seconds: f64,
    /// What went wrong, several lines.
    pub failure: Option<String>,
}

/// Runs the cases of a file. `path` is only shown.
///
/// A failed case is in the report. Fails with [`Error::TestFile`] for a file that does not read,
/// or names a table or column that does not exist; [`Error::Findings`] when a model does not plan.
pub async fn run(
    path: &str,
    text: &str,
    project: &Project,
    raw_schemas: &BTreeMap<String, SchemaRef>,
) -> Result<TestReport> {
    let (file, bench) = open(path, text, project, raw_schemas)?;
    let mut cases = Vec::with_capacity(file.cases.len());
    for case in &file.cases {
        let start = Instant::now();
        let failure = bench.check(case).await?;
        let seconds = start.elapsed().as_secs_f64();
        cases.push(CaseReport { name: case.name.clone(), line: case.line, seconds, failure });
    }
    Ok(TestReport { path: path.to_owned(), title: file.title, cases })
}

/// The text of the file with the rows that the models yield in every `expect` table that differs.
///
/// Fails as [`run`] does, and when a model does not run.
pub async fn complete(
    path: &str,
    text: &str,
    project: &Project,
    raw_schemas: &BTreeMap<String, SchemaRef>,
) -> Result<String> {
    let (file, bench) = open(path, text, project, raw_schemas)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut edits: Vec<(usize, usize, Vec<String>)> = Vec::new();
    for case in &file.cases {
        let failed = |message: String| Error::TestFile {
            path: path.to_owned(),
            line: case.line,
            message: format!("case `{}`: {message}", case.name),
        };
        let scope = bench.compute(case).await?.map_err(failed)?;
        for table in &case.expect {
            let compared = bench.compare(&scope, table).await?;
            if compared.difference.is_some() {
                edits.push((table.first_row, table.rows.len(), compared.rewritten));
            }
        }
    }
    // From the end, so that the places of the others stay.
    edits.sort_by_key(|(first, ..)| std::cmp::Reverse(*first));
    for (first, count, rows) in edits {
        let end = (first + count).min(lines.len());
        lines.splice(first.min(end)..end, rows);
    }
    let mut text = lines.join("\n");
    text.push('\n');
    Ok(text)
}

fn open<'a>(
    path: &'a str,
    text: &str,
    project: &'a Project,
    raw_schemas: &BTreeMap<String, SchemaRef>,
) -> Result<(TestFile, Bench<'a>)> {
    let file = TestFile::parse(path, text)?;
    let Planned { schemas, barren, findings } = plan_all(project, raw_schemas, Depth::Types)?;
    let raw = landed_schemas(raw_schemas)?;
    let bench = Bench { path, project, raw, models: schemas, barren };
    // A model that has a finding but plans can be tested.
    let mut blind: BTreeSet<&str> = BTreeSet::new();
    for table in file.cases.iter().flat_map(|case| case.given.iter().chain(&case.expect)) {
        if project.model(&table.name).is_some() && !bench.models.contains_key(&table.name) {
            blind.insert(&table.name);
        }
    }
    if !blind.is_empty() && !findings.is_empty() {
        return Err(Error::Findings(findings));
    }
    Ok((file, bench))
}

struct Bench<'a> {
    path: &'a str,
    project: &'a Project,
    raw: BTreeMap<String, SchemaRef>,
    models: BTreeMap<String, SchemaRef>,
    /// Models that have no rows when nothing that they read has any.
    barren: BTreeSet<String>,
}

struct Compared {
    difference: Option<String>,
    rewritten: Vec<String>,
}

impl Bench<'_> {
    fn schema(&self, table: &TestTable) -> Result<&SchemaRef> {
        let schema = self.raw.get(&table.name).or_else(|| self.models.get(&table.name));
        schema.ok_or_else(|| {
            let known = self.raw.keys().chain(self.models.keys()).map(String::as_str);
            let hint = super::finding::did_you_mean(&table.name, known);
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            self.wrong(table.line, format!("there is no table `{}`{hint}", table.name))
        })
    }

    fn wrong(&self, line: usize, message: impl Into<String>) -> Error {
        Error::TestFile { path: self.path.to_owned(), line, message: message.into() }
    }

    async fn check(&self, case: &Case) -> Result<Option<String>> {
        let scope = match self.compute(case).await? {
            Ok(scope) => scope,
            Err(failure) => return Ok(Some(failure)),
        };
        let mut failures = Vec::new();
        for table in &case.expect {
            failures.extend(self.compare(&scope, table).await?.difference);
        }
        Ok((!failures.is_empty()).then(|| failures.join("\n\n")))
    }

    /// All tables of a case: those given, and every model that an expected one is computed from.
    async fn compute(&self, case: &Case) -> Result<Result<Scope, String>> {
        let scope = Scope::detached()?;
        for (name, schema) in &self.raw {
            let empty = Arc::new(EmptyTable::new(Arc::clone(schema)));
            scope.add(&Target::Raw(name.clone()), empty)?;
        }
        for table in &case.given {
            let schema = self.schema(table)?;
            let rows = batch_of(schema, table).map_err(|(line, why)| self.wrong(line, why))?;
            scope.add(&target(&table.name), memory(&table.name, schema, vec![rows])?)?;
        }
        let given: BTreeSet<&str> = case.given.iter().map(|table| table.name.as_str()).collect();
        let mut needed: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = case.expect.iter().map(|table| table.name.as_str()).collect();
        while let Some(name) = open.pop() {
            if let Some(model) = self.project.model(name)
                && !given.contains(name)
                && needed.insert(name)
            {
                open.extend(model.reads());
            }
        }
        let given = case.given.iter().filter(|table| !table.rows.is_empty());
        let mut filled: BTreeSet<String> = given.map(|table| table.name.clone()).collect();
        for model in self.project.models().filter(|model| needed.contains(model.name.as_str())) {
            match self.model(&scope, model, &filled).await? {
                Ok(true) => drop(filled.insert(model.name.clone())),
                Ok(false) => {}
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(scope))
    }

    /// Computes a model; whether it has rows.
    async fn model(
        &self,
        scope: &Scope,
        model: &Model,
        filled: &BTreeSet<String>,
    ) -> Result<Result<bool, String>> {
        let name = &model.name;
        let Some(schema) = self.models.get(name) else {
            return Ok(Err(format!("`{name}` does not plan; run the check")));
        };
        let fed = model.references.iter().any(|read| filled.contains(read.target.name()));
        if !fed && self.barren.contains(name) {
            // Most models of most cases: planning them is what would take the time.
            scope.add(&target(name), Arc::new(EmptyTable::new(Arc::clone(schema))))?;
            return Ok(Ok(false));
        }
        let plan = match scope.plan(model.statement.clone()).await {
            Ok(plan) => plan,
            Err(error) => {
                let spot = explain(&model.text, &error);
                return Ok(Err(format!("`{name}` does not plan: {}", spot.message)));
            }
        };
        let rows = DataFrame::new(scope.session().state(), plan).collect().await;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(format!("`{name}` does not run: {}", plain(&error)))),
        };
        let has_rows = rows.iter().any(|batch| batch.num_rows() > 0);
        let fitted = rows.iter().map(|batch| fit(name, batch, schema));
        let table = memory(name, schema, fitted.collect::<Result<_>>()?)?;
        let results = checks::run(scope, Arc::clone(&table) as _, model).await?;
        let broken = results.iter().find(|check| check.status == CheckStatus::Failed);
        if let Some(check) = broken {
            return Ok(Err(format!(
                "`{name}` breaks its check `{}` in {} of {} rows: {}",
                check.name,
                check.failed_rows,
                check.checked_rows,
                check.sample.as_deref().unwrap_or_default(),
            )));
        }
        scope.add(&target(name), table)?;
        Ok(Ok(has_rows))
    }

    async fn compare(&self, scope: &Scope, table: &TestTable) -> Result<Compared> {
        let schema = self.schema(table)?;
        let expected = batch_of(schema, table).map_err(|(line, why)| self.wrong(line, why))?;
        let failed = || Error::engine(format!("reading `{}`", table.name));
        let columns = table.columns.iter().map(|name| datafusion::prelude::ident(name.as_str()));
        let quoted = match target(&table.name) {
            Target::Raw(name) => name,
            other => format!("\"{}\"", other.name()),
        };
        let frame = scope.session().table(&quoted).await.map_err(failed())?;
        let found = frame.select(columns.collect::<Vec<_>>()).map_err(failed())?;
        let found: Vec<RecordBatch> = found.collect().await.map_err(failed())?;
        let failed = || Error::arrow(format!("comparing `{}`", table.name));
        let mut actual = Vec::new();
        for batch in &found {
            actual.extend(cells_of(batch, &table.columns).map_err(failed())?);
        }
        let expected = cells_of(&expected, &table.columns).map_err(failed())?;
        let difference = differ(table, &expected, &actual);
        if !table.ordered {
            // Rows that were expected keep their place, so that a rewrite is a small change.
            actual.sort();
            let place = |row: &Vec<String>| expected.iter().position(|other| other == row);
            actual.sort_by_key(|row| place(row).unwrap_or(usize::MAX));
        }
        let rewritten = actual.iter().map(|row| line_of(row)).collect();
        Ok(Compared { difference, rewritten })
    }
}

fn target(name: &str) -> Target {
    if name.starts_with("raw.") {
        Target::Raw(name.to_owned())
    } else {
        Target::Model(name.to_owned())
    }
}

fn memory(name: &str, schema: &SchemaRef, rows: Vec<RecordBatch>) -> Result<Arc<MemTable>> {
    MemTable::try_new(Arc::clone(schema), vec![rows])
        .map(Arc::new)
        .map_err(Error::engine(format!("holding `{name}` in memory")))
}

fn line_of(row: &[String]) -> String {
    let mut line = "|".to_owned();
    for cell in row {
        line.push(' ');
        line.push_str(cell);
        if !cell.is_empty() {
            line.push(' ');
        }
        line.push('|');
    }
    line
}

/// What is expected but not there (`-`), and there but not expected (`+`).
fn differ(table: &TestTable, expected: &[Vec<String>], actual: &[Vec<String>]) -> Option<String> {
    let mut marked: Vec<(&str, &Vec<String>)> = Vec::new();
    let equal;
    if table.ordered {
        equal = expected.iter().zip(actual).filter(|(a, b)| a == b).count();
        for at in 0..expected.len().max(actual.len()) {
            let (wanted, got) = (expected.get(at), actual.get(at));
            if wanted != got {
                marked.extend(wanted.map(|row| ("-", row)));
                marked.extend(got.map(|row| ("+", row)));
            }
        }
    } else {
        let mut left: Vec<&Vec<String>> = actual.iter().collect();
        for row in expected {
            match left.iter().position(|other| *other == row) {
                Some(at) => drop(left.swap_remove(at)),
                None => marked.push(("-", row)),
            }
        }
        left.sort();
        equal = actual.len() - left.len();
        marked.extend(left.into_iter().map(|row| ("+", row)));
        // A row that is nearly right stands next to what it should be.
        marked.sort_by(|(a, x), (b, y)| (x.first(), *a == "+").cmp(&(y.first(), *b == "+")));
    }
    if marked.is_empty() {
        return None;
    }
    let mut text = format!(
        "line {}: `{}` differs: {equal} rows as expected; `-` is missing, `+` is there instead",
        table.line, table.name
    );
    let widths: Vec<usize> = (0..table.columns.len())
        .map(|n| {
            let cells = marked.iter().take(SHOWN).filter_map(|(_, row)| row.get(n));
            let cells = cells.chain(table.columns.get(n));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut put = |mark: &str, row: &[String]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join(" | ");
        for part in ["\n", mark, " | ", &line, " |"] {
            text.push_str(part);
        }
    };
    put(" ", &table.columns);
    for (mark, row) in marked.iter().take(SHOWN) {
        put(mark, row);
    }
    let more = marked.len().saturating_sub(SHOWN);
    Some(if more > 0 { format!("{text}\n  .. and {more} more") } else { text })
}

#[cfg(test)]
mod tests;
