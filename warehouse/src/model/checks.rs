//! The checks of a model, over rows that are written but not yet committed.
//!
//! One scan answers all of them. Nulls and conditions are counted as the rows pass; of a key only a
//! hash of eight bytes is kept, so that twenty million keys of any width take 160 MB and no sort
//! of rows. Equal hashes are looked at again, exactly. When even the hashes do not fit the memory,
//! the scan is repeated over a half, a quarter, .. of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, not};
use datafusion::prelude::{DataFrame, SessionContext, ident};
use futures::TryStreamExt as _;
use serde_json::{Map, Value};

use super::definition::Model;
use super::header::{Kind, Severity};
use super::scope::Scope;
use crate::{Error, Result};

/// Rows shown of a failed check.
const SAMPLE_ROWS: usize = 5;
/// More suspicious hashes than this cannot be collisions.
const SUSPECTS: usize = 10_000;
/// Into how many parts a key check may be cut before it gives up.
const MOST_PASSES: u64 = 64;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStatus {
    /// Every row holds.
    Passed,
    /// Some do not, and the model may be published all the same.
    Warned,
    /// Some do not, and the model is not published.
    Failed,
}

impl CheckStatus {
    /// As in `ops.check_results`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Failed => "failed",
        }
    }
}

/// One check of one model in one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// `unique(a, b)`, `not_null(a)`, or the condition itself.
    pub name: String,
    /// `unique`, `not_null` or `condition`.
    pub kind: &'static str,
    /// What a failure does.
    pub severity: Severity,
    /// How it ended.
    pub status: CheckStatus,
    /// Rows that break it; of a key all rows that share one.
    pub failed_rows: u64,
    /// Rows looked at.
    pub checked_rows: u64,
    /// Up to five of the rows as a JSON list: keys and the columns in question, free text masked.
    pub sample: Option<String>,
}

/// A check on single rows: the expression is true for a row that breaks it.
struct RowCheck {
    name: String,
    kind: &'static str,
    broken: Expr,
    columns: Vec<String>,
}

/// What one scan found.
#[derive(Default)]
struct Tally {
    rows: u64,
    /// Per row check.
    broken: Vec<u64>,
    /// One of each key without null.
    hashes: Vec<u64>,
}

/// Runs all checks of `model` over `table`.
pub(crate) async fn run(
    scope: &Scope,
    table: Arc<dyn TableProvider>,
    model: &Model,
) -> Result<Vec<CheckResult>> {
    let failed = || Error::engine(format!("checking `{}`", model.name));
    let session = scope.session();
    let frame = session.read_table(table).map_err(failed())?;
    let checks = row_checks(session, &frame, model).map_err(failed())?;
    let keys = &model.header.key;
    if checks.is_empty() && keys.is_empty() {
        return Ok(Vec::new());
    }
    let (tally, shared) = scan(session, &frame, &checks, model).await.map_err(failed())?;
    let mut results = Vec::with_capacity(checks.len() + 1);
    if !keys.is_empty() {
        let (failed_rows, sample) = match shared {
            Shared { rows: 0, .. } => (0, None),
            shared => duplicates(&frame, keys, shared).await.map_err(failed())?,
        };
        let name = format!("unique({})", keys.join(", "));
        // An upsert by a key that is not one would put rows in place of the wrong ones.
        let severity =
            if model.header.kind == Kind::Merge { Severity::Block } else { model.header.severity };
        results.push(result(name, "unique", severity, failed_rows, tally.rows, sample));
    }
    for (check, broken) in checks.into_iter().zip(&tally.broken) {
        let sample =
            if *broken > 0 { Some(sample(&frame, &check).await.map_err(failed())?) } else { None };
        let severity = model.header.severity;
        results.push(result(check.name, check.kind, severity, *broken, tally.rows, sample));
    }
    Ok(results)
}

fn result(
    name: String,
    kind: &'static str,
    severity: Severity,
    failed_rows: u64,
    checked_rows: u64,
    sample: Option<String>,
) -> CheckResult {
    let status = match (failed_rows, severity) {
        (0, _) => CheckStatus::Passed,
        (_, Severity::Warn) => CheckStatus::Warned,
        (_, Severity::Block) => CheckStatus::Failed,
    };
    CheckResult { name, kind, severity, status, failed_rows, checked_rows, sample }
}

fn row_checks(
    session: &SessionContext,
    frame: &DataFrame,
    model: &Model,
) -> Result<Vec<RowCheck>, DataFusionError> {
    let header = &model.header;
    let mut checks: Vec<RowCheck> = Vec::new();
    for column in header.key.iter().chain(&header.not_null) {
        let name = format!("not_null({column})");
        if checks.iter().all(|check| check.name != name) {
            let broken = ident(column.as_str()).is_null();
            checks.push(RowCheck {
                name,
                kind: "not_null",
                broken,
                columns: with_keys(header.key.iter(), [column.clone()]),
            });
        }
    }
    for condition in &header.checks {
        let holds = session.state().create_logical_expr(condition, frame.schema())?;
        let named = holds.column_refs().into_iter().map(|column| column.name.clone());
        let mut named: Vec<String> = named.collect();
        named.sort();
        checks.push(RowCheck {
            name: condition.clone(),
            kind: "condition",
            columns: with_keys(header.key.iter(), named),
            broken: not(holds).is_true(),
        });
    }
    Ok(checks)
}

fn with_keys<'a>(
    keys: impl Iterator<Item = &'a String>,
    more: impl IntoIterator<Item = String>,
) -> Vec<String> {
    let mut columns: Vec<String> = keys.cloned().collect();
    for column in more {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}

/// Reads everything once, or several times when the hashes of the keys do not fit.
async fn scan(
    session: &SessionContext,
    frame: &DataFrame,
    checks: &[RowCheck],
    model: &Model,
) -> Result<(Tally, Shared), DataFusionError> {
    let pool = Arc::clone(&session.runtime_env().memory_pool);
    let mut passes = 1;
    loop {
        let mut all = Shared::default();
        let mut first = None;
        let mut fits = true;
        for pass in 0..passes {
            let wanted = if pass == 0 { checks } else { &[] };
            let stream = columns_of(frame, &model.header.key, wanted)?.execute_stream().await?;
            let consumer = MemoryConsumer::new(format!("key check of {}", model.name));
            let memory = consumer.register(&pool);
            let keys = model.header.key.len();
            let flags = wanted.len();
            let task = SpawnedTask::spawn(drain(stream, keys, flags, (passes, pass), memory));
            let Some((mut tally, memory)) = task.join().await.map_err(panicked)?? else {
                fits = false;
                break;
            };
            let mut hashes = std::mem::take(&mut tally.hashes);
            let sorted = SpawnedTask::spawn_blocking(move || {
                hashes.sort_unstable();
                let shared = Shared::of(&hashes);
                drop((hashes, memory));
                shared
            });
            all.add(sorted.join().await.map_err(panicked)?);
            first.get_or_insert(tally);
        }
        match first {
            Some(tally) if fits => return Ok((tally, all)),
            _ if passes >= MOST_PASSES => {
                return Err(DataFusionError::ResourcesExhausted(
                    "not even a part of the keys' hashes fits".to_owned(),
                ));
            }
            _ => passes *= 2,
        }
    }
}

fn panicked(error: tokio::task::JoinError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The key columns, then one flag a check.
fn columns_of(
    frame: &DataFrame,
    keys: &[String],
    checks: &[RowCheck],
) -> Result<DataFrame, DataFusionError> {
    let keys = keys.iter().enumerate().map(|(n, key)| ident(key.as_str()).alias(format!("k{n}")));
    let flags =
        checks.iter().enumerate().map(|(n, check)| check.broken.clone().alias(format!("f{n}")));
    frame.clone().select(keys.chain(flags).collect::<Vec<_>>())
}

/// Counts and hashes; `None` when the hashes outgrow the memory.
async fn drain(
    mut stream: SendableRecordBatchStream,
    keys: usize,
    flags: usize,
    (passes, pass): (u64, u64),
    memory: MemoryReservation,
) -> Result<Option<(Tally, MemoryReservation)>, DataFusionError> {
    let mut tally = Tally { broken: vec![0; flags], ..Tally::default() };
    while let Some(batch) = stream.try_next().await? {
        tally.rows += count(batch.num_rows());
        let (key_columns, flag_columns) = batch.columns().split_at(keys.min(batch.num_columns()));
        for (broken, flag) in tally.broken.iter_mut().zip(flag_columns) {
            *broken += count(flag.as_boolean().true_count());
        }
        if keys == 0 {
            continue;
        }
        let needed = tally.hashes.len() + batch.num_rows();
        if needed > tally.hashes.capacity() {
            let capacity = needed.max(tally.hashes.capacity().saturating_mul(2));
            // Both the old and the new buffer live while the hashes are moved.
            let bytes = capacity.saturating_add(tally.hashes.capacity()).saturating_mul(8);
            if memory.try_resize(bytes).is_err() {
                return Ok(None);
            }
            tally.hashes.reserve_exact(capacity - tally.hashes.len());
        }
        let hashes = hashes_of(key_columns, batch.num_rows())?;
        let mine = |hash: &u64| passes == 1 || hash % passes == pass;
        tally.hashes.extend(
            hashes
                .iter()
                .enumerate()
                .filter(|(row, hash)| mine(hash) && !any_null(key_columns, *row))
                .map(|(_, hash)| *hash),
        );
    }
    Ok(Some((tally, memory)))
}

fn hashes_of(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>, DataFusionError> {
    let mut hashes = vec![0; rows];
    create_hashes(columns, &QualityRandomState::with_seed(0), &mut hashes)?;
    Ok(hashes)
}

fn any_null(columns: &[ArrayRef], row: usize) -> bool {
    columns.iter().any(|column| column.is_null(row))
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// Hashes that more than one key has.
#[derive(Default)]
struct Shared {
    rows: u64,
    suspects: HashSet<u64>,
    complete: bool,
}

impl Shared {
    fn of(sorted: &[u64]) -> Self {
        let mut shared = Self { complete: true, ..Self::default() };
        for run in sorted.chunk_by(|a, b| a == b).filter(|run| run.len() > 1) {
            shared.rows += count(run.len());
            if shared.suspects.len() < SUSPECTS {
                shared.suspects.extend(run.first());
            } else {
                shared.complete = false;
            }
        }
        shared
    }

    fn add(&mut self, other: Self) {
        self.complete = (self.rows == 0 || self.complete) && other.complete;
        self.rows += other.rows;
        self.suspects.extend(other.suspects);
    }
}

/// Looks at the keys behind equal hashes: how many rows share a key, and some of them.
async fn duplicates(
    frame: &DataFrame,
    keys: &[String],
    shared: Shared,
) -> Result<(u64, Option<String>), DataFusionError> {
    let mut stream = columns_of(frame, keys, &[])?.execute_stream().await?;
    let fields: Vec<SortField> =
        stream.schema().fields().iter().map(|f| SortField::new(f.data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    let mut seen: BTreeMap<Box<[u8]>, u64> = BTreeMap::new();
    while let Some(batch) = stream.try_next().await? {
        let hashes = hashes_of(batch.columns(), batch.num_rows())?;
        let suspect = |row: usize| {
            hashes.get(row).is_some_and(|hash| shared.suspects.contains(hash))
                && !any_null(batch.columns(), row)
        };
        if !(0..batch.num_rows()).any(suspect) {
            continue;
        }
        let rows = converter.convert_columns(batch.columns())?;
        for (_, row) in rows.iter().enumerate().filter(|(n, _)| suspect(*n)) {
            *seen.entry(row.data().into()).or_default() += 1;
        }
    }
    seen.retain(|_, rows| *rows > 1);
    if seen.is_empty() && shared.complete {
        return Ok((0, None)); // two keys with one hash
    }
    let exact: u64 = seen.values().sum();
    let failed_rows = if shared.complete { exact } else { shared.rows };
    let parser = converter.parser();
    let shown = seen.keys().take(SAMPLE_ROWS).map(|bytes| parser.parse(bytes));
    let columns = converter.convert_rows(shown)?;
    let named = keys.iter().map(String::as_str).zip(columns);
    let rows = RecordBatch::try_from_iter(named)?;
    Ok((failed_rows, Some(masked(&[rows])?)))
}

async fn sample(frame: &DataFrame, check: &RowCheck) -> Result<String, DataFusionError> {
    let columns: Vec<Expr> = check.columns.iter().map(|column| ident(column.as_str())).collect();
    let rows = frame
        .clone()
        .filter(check.broken.clone())?
        .select(columns)?
        .limit(0, Some(SAMPLE_ROWS))?
        .collect()
        .await?;
    masked(&rows)
}

/// Rows as a JSON list. Text is shown only in columns that name or classify something.
pub(super) fn masked(batches: &[RecordBatch]) -> Result<String, DataFusionError> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let schema = batch.schema();
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns
            .map(|(column, field)| Ok((field, column, ArrayFormatter::try_new(column, &options)?)))
            .collect::<Result<Vec<_>, DataFusionError>>()?;
        for row in 0..batch.num_rows() {
            let mut object = Map::new();
            for (field, column, formatter) in &columns {
                let value = if column.is_null(row) {
                    Value::Null
                } else {
                    let text = formatter.value(row).to_string();
                    let open = !(field.data_type().is_string() || field.data_type().is_nested())
                        || (names_something(field.name()) && !text.contains('@'));
                    Value::String(if open { text } else { mask(&text) })
                };
                object.insert(field.name().clone(), value);
            }
            rows.push(Value::Object(object));
        }
    }
    Ok(Value::Array(rows).to_string())
}

fn names_something(column: &str) -> bool {
    ["_id", "_key", "_code", "_status", "_type", "_reason", "_family", "_system"]
        .iter()
        .any(|end| column.ends_with(end))
        || ["basis", "component", "sku"].contains(&column)
}

fn mask(text: &str) -> String {
    text.chars().take(1).chain("***".chars()).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, StringArray};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::datasource::MemTable;

    use super::*;
    use crate::model::{ModelSource, Project};

    fn model(header: &str) -> Model {
        let text = format!("-- One row per a and b.\n{header}\nselect 1 as a");
        let path = "marts/fct_x.sql".to_owned();
        let project = Project::load(vec![ModelSource { path, text }]).unwrap();
        project.model("fct_x").unwrap().clone()
    }

    fn table(rows: &[(Option<&str>, Option<i64>)]) -> Arc<dyn TableProvider> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("email", DataType::Utf8, true),
            Field::new("b", DataType::Int64, true),
        ]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<StringArray>()),
            Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        Arc::new(MemTable::try_new(schema, vec![vec![batch]]).unwrap())
    }

    async fn check(
        header: &str,
        rows: &[(Option<&str>, Option<i64>)],
    ) -> Vec<(String, u64, Option<String>)> {
        let scope = Scope::detached().unwrap();
        let results = run(&scope, table(rows), &model(header)).await.unwrap();
        results.into_iter().map(|r| (r.name, r.failed_rows, r.sample)).collect()
    }

    #[tokio::test]
    async fn one_scan_counts_nulls_conditions_and_keys_and_shows_rows_masked() {
        let header = "--! kind = 'full'\n--! key = ['email', 'b']\n--! checks = ['b > 0']";
        let rows = [
            (Some("anna@x.example"), Some(1)),
            (Some("anna@x.example"), Some(1)),
            (Some("anna@x.example"), Some(2)),
            (None, Some(3)),
            (None, Some(3)),
            (Some("bert"), Some(-4)),
        ];
        let results = check(header, &rows).await;
        let of = |name: &str| results.iter().find(|r| r.0 == name).unwrap().clone();
        let (_, rows, sample) = of("unique(email, b)");
        assert_eq!((rows, sample.as_deref()), (2, Some(r#"[{"email":"a***","b":"1"}]"#)));
        assert_eq!(of("not_null(email)").1, 2);
        assert_eq!(of("not_null(b)"), ("not_null(b)".to_owned(), 0, None));
        let (_, rows, sample) = of("b > 0");
        assert_eq!((rows, sample.as_deref()), (1, Some(r#"[{"email":"b***","b":"-4"}]"#)));
    }

    #[tokio::test]
    async fn a_condition_that_is_null_holds() {
        let results = check("--! kind = 'full'\n--! checks = ['b > 0']", &[(None, None)]).await;
        assert_eq!(results, [("b > 0".to_owned(), 0, None)]);
    }

    /// Run by hand: `cargo test -p warehouse --lib -- --ignored --nocapture twenty_million`.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "a measurement"]
    async fn twenty_million_keys_of_three_texts_pass_in_half_a_gigabyte() {
        let sql = "select 'order-' || value as email, 'component-' || (value % 13) as b, \
                   'document-' || value as c from generate_series(1, 20000000)";
        let pool = Arc::new(datafusion::execution::memory_pool::FairSpillPool::new(512 << 20));
        let runtime = datafusion::execution::runtime_env::RuntimeEnvBuilder::new()
            .with_memory_pool(pool)
            .build_arc()
            .unwrap();
        let session = crate::session::context(&runtime, &crate::Options::default()).unwrap();
        let scope = Scope::new(session).unwrap();
        let statement = crate::model::references::parse_statement(sql).unwrap();
        let table = Arc::new(scope.view("t", statement).await.unwrap());
        let start = std::time::Instant::now();
        let header =
            "--! kind = 'full'\n--! key = ['email', 'b', 'c']\n--! checks = [\"b like 'c%'\"]";
        let results = run(&scope, table, &model(header)).await;
        println!("{results:?} {:?}", start.elapsed());
    }

    #[test]
    fn equal_hashes_are_counted_row_by_row() {
        let shared = Shared::of(&[1, 2, 2, 3, 3, 3]);
        assert_eq!((shared.rows, shared.suspects.len(), shared.complete), (5, 2, true));
    }
}
