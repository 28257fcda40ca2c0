//! The difference between two releases: which tables, which columns, which rows, how much money.
//!
//! Tables of one digest are equal and are not read. Of the others rows are matched by the model's
//! key, or counted as bags of rows where there is none; both spill, so the size of a table bounds
//! nothing. Text in samples is masked as in the samples of checks.

mod bag;
mod keyed;
mod sums;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema};
use datafusion::common::DataFusionError;
use datafusion::prelude::SessionContext;
use serde::Serialize;
use serde_json::{Map, Value};

use super::checks::masked;
use super::columns::{self, ColumnChange};
use super::project::Project;
use super::query::ReadAt;
use crate::release::{Release, TableAt, TableChange};
use crate::table::Snapshot;
use crate::{Environment, Error, Result, Warehouse};

/// Rows shown of each kind of difference.
const SAMPLES: usize = 3;

/// How two releases differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The one that is compared, as `prod@7`.
    pub before: String,
    /// The one that it is compared with.
    pub after: String,
    /// Tables that are not of the same content, by name.
    pub tables: Vec<TableDiff>,
    /// Tables of the same content.
    pub equal: usize,
}

/// How two versions of a table differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableDiff {
    /// Its name.
    pub table: String,
    /// Whether it is new, gone, or another one: `added`, `removed`, `changed`.
    pub change: &'static str,
    /// Rows before.
    pub rows_before: u64,
    /// Rows after.
    pub rows_after: u64,
    /// Columns that are new, gone or of another type; these are not compared.
    pub columns: Vec<ColumnChange>,
    /// How the rows differ; `None` where they were not compared: a table that is on one side only,
    /// and a raw table that was not asked for.
    pub rows: Option<RowsDiff>,
    /// Money: the sums that are not the same.
    pub sums: Vec<SumDiff>,
}

/// How the rows of a table differ.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RowsDiff {
    /// The columns by which rows were matched; empty when they were compared as bags of rows.
    pub key: Vec<String>,
    /// Rows of the later one without a match.
    pub added: u64,
    /// Rows of the earlier one without a match.
    pub removed: u64,
    /// Rows with a match and at least one other value.
    pub changed: u64,
    /// For every column with another value somewhere: in how many rows, and some of them.
    pub values: Vec<ColumnDiff>,
    /// Some of the added rows: their keys, or all of them without a key.
    pub added_samples: Vec<Map<String, Value>>,
    /// Some of the removed rows.
    pub removed_samples: Vec<Map<String, Value>>,
}

/// The values of one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnDiff {
    /// Its name.
    pub column: String,
    /// Rows with another value.
    pub rows: u64,
    /// Some of them.
    pub samples: Vec<ValueDiff>,
}

/// One value that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ValueDiff {
    /// The row.
    pub key: Map<String, Value>,
    /// What it was.
    pub before: Value,
    /// What it is.
    pub after: Value,
}

/// The sum of a money column, exact, in one currency where the table names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SumDiff {
    /// Its name.
    pub column: String,
    /// The currency, if the table has a `currency_code`.
    pub currency_code: Option<String>,
    /// The sum before.
    pub before: String,
    /// The sum after.
    pub after: String,
    /// After less before.
    pub difference: String,
}

impl Diff {
    /// Whether readers would see any difference: other tables, columns or rows.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(TableDiff::is_empty)
    }
}

impl TableDiff {
    /// Whether it was only written anew: other files, the same columns and rows.
    pub fn is_empty(&self) -> bool {
        let same_rows = self.rows.as_ref().is_some_and(RowsDiff::is_empty);
        self.change == TableChange::Changed.as_str() && self.columns.is_empty() && same_rows
    }
}

impl RowsDiff {
    /// Whether all rows are the same.
    pub fn is_empty(&self) -> bool {
        self.added == 0 && self.removed == 0 && self.changed == 0
    }
}

impl fmt::Display for ReadAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.release {
            Some(number) => write!(f, "{}@{number}", self.environment),
            None => write!(f, "{}", self.environment),
        }
    }
}

impl FromStr for ReadAt {
    type Err = Error;

    /// `7` (of `prod`), `dev` (its newest), `dev@3`.
    fn from_str(text: &str) -> Result<Self> {
        if let Ok(number) = text.parse() {
            return Ok(Self { environment: Environment::default(), release: Some(number) });
        }
        let (name, number) = match text.split_once('@') {
            Some((name, number)) => (name, Some(number)),
            None => (text, None),
        };
        let wrong = || Error::EnvironmentName(text.to_owned());
        let release = number.map(str::parse).transpose().map_err(|_| wrong())?;
        let environment = name.parse().map_err(|_| wrong())?;
        Ok(Self { environment, release })
    }
}

impl Warehouse {
    /// Compares two releases, `select` of their tables or all.
    ///
    /// Raw tables are compared by their number of rows alone, unless they are selected by name.
    /// Fails with [`Error::NoRelease`], [`Error::UnknownRelease`], [`Error::UnknownModel`], and
    /// when a table cannot be read.
    pub async fn diff(
        &self,
        project: &Project,
        before: &ReadAt,
        after: &ReadAt,
        select: &[String],
    ) -> Result<Diff> {
        let (before, old) = self.side(before).await?;
        let (after, new) = self.side(after).await?;
        let wanted = wanted(project, &old, &new, select)?;
        let changes = new.changes_since(Some(&old));
        let tables =
            old.tables.keys().chain(new.tables.keys().filter(|n| !old.tables.contains_key(*n)));
        let all = tables.filter(|name| wanted(name)).count();
        let changes: Vec<_> = changes.into_iter().filter(|(name, _)| wanted(name)).collect();
        let mut tables = Vec::with_capacity(changes.len());
        for (name, change) in changes {
            let is_asked = select.contains(&name);
            let (old, new) = (old.tables.get(&name), new.tables.get(&name));
            tables.push(self.diff_table(project, &name, change, old, new, is_asked).await?);
        }
        Ok(Diff { before, after, equal: all - tables.len(), tables })
    }

    async fn side(&self, at: &ReadAt) -> Result<(String, Release)> {
        let Some(release) = self.release_at(at).await? else {
            return Err(Error::NoRelease { environment: at.environment.to_string() });
        };
        Ok((format!("{}@{}", at.environment, release.number), release))
    }

    async fn diff_table(
        &self,
        project: &Project,
        name: &str,
        change: TableChange,
        old: Option<&TableAt>,
        new: Option<&TableAt>,
        is_asked: bool,
    ) -> Result<TableDiff> {
        let mut sides = [None, None];
        for (side, at) in sides.iter_mut().zip([old, new]) {
            if let Some(at) = at {
                *side = Some(self.stands_at(project, name, at).await?);
            }
        }
        let rows_in = |side: &Option<Snapshot>| side.as_ref().map_or(0, Snapshot::rows);
        let mut diff = TableDiff {
            table: name.to_owned(),
            change: change.as_str(),
            rows_before: rows_in(&sides[0]),
            rows_after: rows_in(&sides[1]),
            columns: Vec::new(),
            rows: None,
            sums: Vec::new(),
        };
        let [Some(old), Some(new)] = sides else { return Ok(diff) };
        diff.columns = columns::changes(&old.schema(), &new.schema());
        if name.contains('.') && !is_asked {
            return Ok(diff);
        }
        let key = project.model(name).map(|model| model.header.key.clone()).unwrap_or_default();
        let pair = Pair::of(self.session()?, name, &old, &new, key)?;
        if pair.columns.is_empty() {
            return Ok(diff);
        }
        let failed = || Error::engine(format!("comparing `{name}`"));
        let keyed = pair.by_key((old.rows(), new.rows())).await.map_err(failed())?;
        diff.rows = Some(match keyed {
            Some(rows) => rows,
            None => pair.as_bags().await.map_err(failed())?,
        });
        diff.sums = pair.sums().await.map_err(failed())?;
        Ok(diff)
    }
}

/// Which tables are compared.
fn wanted(
    project: &Project,
    old: &Release,
    new: &Release,
    select: &[String],
) -> Result<impl Fn(&str) -> bool + use<>> {
    let mut names = Vec::new();
    let mut patterns = Vec::new();
    for word in select {
        // Raw tables, and models that have left the project.
        if old.tables.contains_key(word) || new.tables.contains_key(word) {
            names.push(word.clone());
        } else {
            patterns.push(word.clone());
        }
    }
    if !patterns.is_empty() {
        names.extend(project.select(&patterns)?.into_iter().map(|model| model.name.clone()));
    }
    let is_all = select.is_empty();
    Ok(move |name: &str| is_all || names.iter().any(|wanted| wanted == name))
}

/// Two versions of a table, registered as `before` and `after`.
struct Pair {
    session: SessionContext,
    /// Columns of one type on both sides, and whether they can be sorted by.
    columns: Vec<(String, bool)>,
    /// Those of the key; empty when one of them cannot be compared.
    key: Vec<String>,
    /// Columns of the key that have to be cast to be joined on.
    moments: Vec<String>,
    money: Vec<String>,
    has_currency: bool,
}

impl Pair {
    fn of(
        session: SessionContext,
        name: &str,
        old: &Snapshot,
        new: &Snapshot,
        mut key: Vec<String>,
    ) -> Result<Self> {
        for (side, snapshot) in [("before", old), ("after", new)] {
            session
                .register_table(side, snapshot.provider()?)
                .map_err(Error::engine(format!("opening `{name}`")))?;
        }
        let (old, new): (&Schema, &Schema) = (&old.schema(), &new.schema());
        let common = old.fields().iter().filter(|field| {
            let there = new.field_with_name(field.name());
            there.is_ok_and(|other| field.data_type().equals_datatype(other.data_type()))
        });
        let common: Vec<_> = common.collect();
        let of = |wanted: &dyn Fn(&DataType) -> bool| {
            let fields = common.iter().filter(|field| wanted(field.data_type()));
            fields.map(|field| field.name().clone()).collect::<Vec<_>>()
        };
        let columns = common.iter().map(|f| (f.name().clone(), !f.data_type().is_nested()));
        let columns: Vec<(String, bool)> = columns.collect();
        if key.iter().any(|key| !columns.contains(&(key.clone(), true))) {
            key.clear();
        }
        let money = of(&|data_type| *data_type == crate::functions::AMOUNT);
        let moments = of(&|data_type| data_type.is_temporal());
        let has_currency = columns.contains(&("currency_code".to_owned(), true));
        Ok(Self { session, columns, key, moments, money, has_currency })
    }

    async fn collect(&self, query: &str) -> Result<Vec<RecordBatch>, DataFusionError> {
        self.session.sql(query).await?.collect().await
    }
}

fn quoted(column: &str) -> String {
    format!("\"{}\"", column.replace('"', "\"\""))
}

/// The columns of `batch` at `places`, under the names of the table, as people may see them.
fn shown(
    batch: &RecordBatch,
    places: impl Iterator<Item = (String, usize)>,
) -> Result<Vec<Map<String, Value>>, DataFusionError> {
    let columns = places.map(|(name, place)| (name, Arc::clone(batch.column(place))));
    let named = RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, column)| (name, column, true)),
    )?;
    let text = masked(&[named])?;
    serde_json::from_str(&text).map_err(|error| DataFusionError::External(Box::new(error)))
}

/// The integers of the only row of an aggregate.
fn counts(batches: &[RecordBatch]) -> Result<Vec<u64>, DataFusionError> {
    let Some(row) = batches.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(Vec::new());
    };
    let of = |column: &ArrayRef| {
        let numbers = cast(column, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        let number = if numbers.is_valid(0) { numbers.value(0) } else { 0 };
        Ok(u64::try_from(number).unwrap_or(0))
    };
    row.columns().iter().map(of).collect()
}

#[cfg(test)]
mod tests;
