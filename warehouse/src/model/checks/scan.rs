//! The one pass over a model's rows that answers all its checks.
//!
//! Every check is a probe: a flag that is counted, a key of which a hash of eight bytes is kept, a
//! reference that is looked up among the hashes of the other table, a newest moment, a sum. When
//! the hashes do not fit the memory, the keys alone are read again, over a half, a quarter, .. of
//! the hashes at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch};
use datafusion::arrow::datatypes::{Decimal128Type, TimestampMicrosecondType};
use datafusion::common::DataFusionError;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::Expr;
use datafusion::prelude::{DataFrame, lit};
use futures::TryStreamExt as _;

use super::keys::{Hashes, Shared, any_null, hashes_of};
use super::sample::SAMPLE_ROWS;

/// Into how many parts the hashes may be cut before a scan gives up.
const MOST_PASSES: u64 = 64;

/// What is read of each row, nothing twice.
#[derive(Debug, Default)]
pub(super) struct Columns(Vec<Expr>);

impl Columns {
    /// The place of `expr` in what is read.
    pub(super) fn slot(&mut self, expr: Expr) -> usize {
        self.0.iter().position(|known| *known == expr).unwrap_or_else(|| {
            self.0.push(expr);
            self.0.len() - 1
        })
    }

    /// Those that are `used`, each in its place; nothing is read for the others.
    fn of(&self, frame: &DataFrame, used: &BTreeSet<usize>) -> Result<DataFrame, DataFusionError> {
        // Rows can only be counted where there is a column.
        let count = self.0.is_empty().then(|| lit(true).alias("c"));
        let columns = self.0.iter().enumerate().map(|(n, expr)| {
            let expr = if used.contains(&n) { expr.clone() } else { lit(true) };
            expr.alias(format!("c{n}"))
        });
        frame.clone().select(columns.chain(count).collect::<Vec<_>>())
    }
}

/// What is asked of the rows. Numbers are places in [`Columns`].
#[derive(Debug)]
pub(super) enum Question {
    /// How many rows there are.
    Count,
    /// In how many the flag is true.
    Flag(usize),
    /// Which hashes more than one key has; keys with a null are left out.
    Keys(Vec<usize>),
    /// In how many the key, if it has no null, is not among those of `parents`.
    Parents { key: Vec<usize>, parents: Box<DataFrame>, shown: Vec<(String, usize)> },
    /// The newest of timestamps in microseconds.
    Newest(usize),
    /// The sum of `decimal(38, ..)`.
    Sum(usize),
}

/// A question and the rows it is about.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) question: Question,
    /// A flag that is true for the rows it is about; all rows without one.
    pub(super) only: Option<usize>,
    /// Whether it is about the rows that stay, too.
    pub(super) kept: bool,
}

impl Probe {
    /// What it reads of a row.
    fn slots(&self) -> Vec<usize> {
        let mut slots: Vec<usize> = self.only.into_iter().collect();
        match &self.question {
            Question::Count => {}
            Question::Flag(slot) | Question::Newest(slot) | Question::Sum(slot) => {
                slots.push(*slot);
            }
            Question::Keys(key) => slots.extend(key),
            Question::Parents { key, shown, .. } => {
                slots.extend(key);
                slots.extend(shown.iter().map(|(_, slot)| slot));
            }
        }
        slots
    }

    /// Whether it is asked of these rows in this part.
    fn is_asked(&self, kept: bool, part: Part) -> bool {
        (self.kept || !kept) && (part.number == 0 || self.hashes())
    }

    fn hashes(&self) -> bool {
        matches!(self.question, Question::Keys(_) | Question::Parents { .. })
    }
}

/// What a probe found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The rows it is about.
    pub(super) rows: u64,
    /// Flags that are true, or rows without a parent.
    pub(super) counted: u64,
    pub(super) newest: Option<i64>,
    /// `None` when it does not fit.
    pub(super) sum: Option<i128>,
    pub(super) shared: Shared,
    /// Rows without a parent.
    pub(super) orphans: Vec<RecordBatch>,
}

/// The rows to read, and what of them.
pub(super) struct Scan {
    pub(super) name: String,
    pub(super) staged: DataFrame,
    pub(super) kept: Option<DataFrame>,
    pub(super) columns: Columns,
    pub(super) probes: Vec<Probe>,
}

/// The hashes of a probe in a pass.
#[derive(Default)]
struct Seen {
    /// Of keys; of a reference those of the parents, sorted.
    hashes: Hashes,
}

/// A part of all hashes.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: u64,
    of: u64,
}

impl Part {
    fn has(self, hash: u64) -> bool {
        self.of == 1 || hash % self.of == self.number
    }

    fn share(self, hashes: &[u64]) -> usize {
        hashes.iter().filter(|hash| self.has(**hash)).count()
    }
}

impl Scan {
    /// Reads everything once, or several times when the hashes do not fit.
    pub(super) async fn run(self) -> Result<Vec<Found>, DataFusionError> {
        let scan = Arc::new(self);
        let mut passes = 1;
        while passes <= MOST_PASSES {
            if let Some(found) = Arc::clone(&scan).passes(passes).await? {
                return Ok(found);
            }
            passes *= 2;
        }
        let why = "not even a part of the keys' hashes fits".to_owned();
        Err(DataFusionError::ResourcesExhausted(why))
    }

    /// `None` when the hashes outgrow the memory.
    async fn passes(self: Arc<Self>, of: u64) -> Result<Option<Vec<Found>>, DataFusionError> {
        let mut all: Option<Vec<Found>> = None;
        for number in 0..of {
            let part = Part { number, of };
            let Some(found) = Arc::clone(&self).pass(part).await? else { return Ok(None) };
            match &mut all {
                None => all = Some(found),
                Some(all) => {
                    for ((all, more), probe) in all.iter_mut().zip(found).zip(&self.probes) {
                        if probe.hashes() {
                            all.counted += more.counted;
                            all.shared.add(more.shared);
                            all.orphans.extend(more.orphans);
                        }
                    }
                }
            }
        }
        Ok(all)
    }

    async fn pass(self: Arc<Self>, part: Part) -> Result<Option<Vec<Found>>, DataFusionError> {
        let pool = Arc::clone(&self.staged.task_ctx().runtime_env().memory_pool);
        let memory = MemoryConsumer::new(format!("checks of {}", self.name)).register(&pool);
        let mut seen: Vec<Seen> = self.probes.iter().map(|_| Seen::default()).collect();
        for (probe, seen) in self.probes.iter().zip(&mut seen) {
            if let Question::Parents { parents, .. } = &probe.question {
                let stream = parents.as_ref().clone().execute_stream().await?;
                let task = SpawnedTask::spawn(load(stream, part, memory.new_empty()));
                match task.join().await.map_err(panicked)?? {
                    Some(hashes) => seen.hashes = hashes,
                    None => return Ok(None),
                }
            }
        }
        let mut lanes = Vec::new();
        for (rows, kept) in [(Some(&self.staged), false), (self.kept.as_ref(), true)] {
            if let Some((rows, used)) = rows.zip(self.used(kept, part)) {
                lanes.push((self.columns.of(rows, &used)?.execute_stream().await?, kept));
            }
        }
        let task = SpawnedTask::spawn(Arc::clone(&self).drain(lanes, part, seen, memory));
        let Some((mut found, seen)) = task.join().await.map_err(panicked)?? else {
            return Ok(None);
        };
        let sorting = SpawnedTask::spawn_blocking(move || {
            for ((found, seen), probe) in found.iter_mut().zip(seen).zip(&self.probes) {
                if matches!(probe.question, Question::Keys(_)) {
                    found.shared = seen.hashes.shared();
                }
            }
            found
        });
        sorting.join().await.map(Some).map_err(panicked)
    }

    /// What has to be read of these rows; `None` when nothing is asked of them.
    fn used(&self, kept: bool, part: Part) -> Option<BTreeSet<usize>> {
        let mut asked = self.probes.iter().filter(|probe| probe.is_asked(kept, part)).peekable();
        asked.peek()?;
        Some(asked.flat_map(Probe::slots).collect())
    }

    /// Counts and hashes; `None` when the hashes outgrow the memory.
    async fn drain(
        self: Arc<Self>,
        lanes: Vec<(SendableRecordBatchStream, bool)>,
        part: Part,
        mut seen: Vec<Seen>,
        memory: MemoryReservation,
    ) -> Result<Option<(Vec<Found>, Vec<Seen>)>, DataFusionError> {
        for (probe, seen) in self.probes.iter().zip(&mut seen) {
            if matches!(probe.question, Question::Keys(_)) {
                seen.hashes.grow_in(memory.new_empty());
            }
        }
        let mut found: Vec<Found> = Vec::with_capacity(self.probes.len());
        found.extend(self.probes.iter().map(|_| Found { sum: Some(0), ..Found::default() }));
        for (mut stream, kept) in lanes {
            while let Some(batch) = stream.try_next().await? {
                for ((probe, found), seen) in self.probes.iter().zip(&mut found).zip(&mut seen) {
                    if probe.is_asked(kept, part) && !ask(probe, &batch, part, found, seen)? {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some((found, seen)))
    }
}

fn panicked(error: tokio::task::JoinError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The hashes of a table's keys, sorted; `None` when they outgrow the memory.
async fn load(
    mut stream: SendableRecordBatchStream,
    part: Part,
    memory: MemoryReservation,
) -> Result<Option<Hashes>, DataFusionError> {
    let mut all = Hashes::default();
    all.grow_in(memory);
    while let Some(batch) = stream.try_next().await? {
        let hashes = hashes_of(batch.columns(), batch.num_rows())?;
        if !all.make_room(part.share(&hashes)) {
            return Ok(None);
        }
        for (row, hash) in hashes.into_iter().enumerate() {
            if part.has(hash) && !any_null(batch.columns(), row) {
                all.push(hash);
            }
        }
    }
    let sorted = SpawnedTask::spawn_blocking(move || {
        all.sort();
        all
    });
    sorted.join().await.map(Some).map_err(panicked)
}

/// Puts a probe's question to a batch; false when the hashes outgrow the memory.
fn ask(
    probe: &Probe,
    batch: &RecordBatch,
    part: Part,
    found: &mut Found,
    seen: &mut Seen,
) -> Result<bool, DataFusionError> {
    let only = probe.only.map(|slot| batch.column(slot).as_boolean());
    let rows = only.map_or(batch.num_rows(), BooleanArray::true_count);
    if part.number == 0 {
        found.rows += count(rows);
    }
    let about = |row: usize| only.is_none_or(|only| only.is_valid(row) && only.value(row));
    match &probe.question {
        Question::Count => {}
        Question::Flag(slot) => {
            let flag = batch.column(*slot).as_boolean();
            found.counted += count(match only {
                None => flag.true_count(),
                Some(_) => (0..flag.len())
                    .filter(|row| flag.is_valid(*row) && flag.value(*row) && about(*row))
                    .count(),
            });
        }
        Question::Newest(slot) => {
            let moments = batch.column(*slot).as_primitive::<TimestampMicrosecondType>();
            let moments = moments.iter().enumerate().filter(|(row, _)| about(*row));
            found.newest = found.newest.max(moments.filter_map(|(_, moment)| moment).max());
        }
        Question::Sum(slot) => {
            let amounts = batch.column(*slot).as_primitive::<Decimal128Type>();
            let amounts = amounts.iter().enumerate().filter(|(row, _)| about(*row));
            for amount in amounts.filter_map(|(_, amount)| amount) {
                found.sum = found.sum.and_then(|sum| sum.checked_add(amount));
            }
        }
        Question::Keys(key) => {
            let key = picked(batch, key);
            let hashes = hashes_of(&key, batch.num_rows())?;
            if !seen.hashes.make_room(part.share(&hashes)) {
                return Ok(false);
            }
            for (row, hash) in hashes.into_iter().enumerate() {
                if part.has(hash) && about(row) && !any_null(&key, row) {
                    seen.hashes.push(hash);
                }
            }
        }
        Question::Parents { key, shown, .. } => {
            let key = picked(batch, key);
            for (row, hash) in hashes_of(&key, batch.num_rows())?.into_iter().enumerate() {
                let mine = part.has(hash) && about(row) && !any_null(&key, row);
                if mine && !seen.hashes.contains(hash) {
                    found.counted += 1;
                    if found.orphans.len() < SAMPLE_ROWS {
                        let columns = shown
                            .iter()
                            .map(|(name, slot)| (name.as_str(), batch.column(*slot).slice(row, 1)));
                        found.orphans.push(RecordBatch::try_from_iter(columns)?);
                    }
                }
            }
        }
    }
    Ok(true)
}

fn picked(batch: &RecordBatch, slots: &[usize]) -> Vec<ArrayRef> {
    slots.iter().map(|slot| Arc::clone(batch.column(*slot))).collect()
}

pub(super) fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
