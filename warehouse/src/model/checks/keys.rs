//! Keys by their hashes: eight bytes a row, however wide the key is, and no sort of rows.
//!
//! Equal hashes are looked at again, exactly, so that a duplicate is never two keys with one hash.
//! Of a reference nothing is looked at twice: a hash that is not there belongs to a key that is
//! not, and one row without a parent stays unseen among twenty million with a chance of 1 in 10^12.

use std::collections::{BTreeMap, HashSet};

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::DataFusionError;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{DataFrame, ident, lit};
use futures::TryStreamExt as _;

use super::sample::{SAMPLE_ROWS, masked};
use super::scan::count;

/// More suspicious hashes than this cannot be collisions.
const SUSPECTS: usize = 10_000;

pub(super) fn hashes_of(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>, DataFusionError> {
    let mut hashes = vec![0; rows];
    create_hashes(columns, &QualityRandomState::with_seed(0), &mut hashes)?;
    Ok(hashes)
}

pub(super) fn any_null(columns: &[ArrayRef], row: usize) -> bool {
    columns.iter().any(|column| column.is_null(row))
}

/// Hashes within a reservation of the memory pool.
#[derive(Default)]
pub(super) struct Hashes {
    values: Vec<u64>,
    memory: Option<MemoryReservation>,
}

impl Hashes {
    pub(super) fn grow_in(&mut self, memory: MemoryReservation) {
        self.memory = Some(memory);
    }

    /// Room for so many more; false when the pool has none.
    pub(super) fn make_room(&mut self, more: usize) -> bool {
        let needed = self.values.len() + more;
        let held = self.values.capacity();
        if needed <= held {
            return true;
        }
        let capacity = needed.max(held.saturating_mul(2));
        // Both the old and the new buffer live while the hashes are moved.
        let bytes = capacity.saturating_add(held).saturating_mul(8);
        if self.memory.as_ref().is_some_and(|memory| memory.try_resize(bytes).is_err()) {
            return false;
        }
        self.values.reserve_exact(capacity - self.values.len());
        true
    }

    pub(super) fn push(&mut self, hash: u64) {
        self.values.push(hash);
    }

    pub(super) fn sort(&mut self) {
        self.values.sort_unstable();
        self.values.dedup();
    }

    /// Whether a sorted list has `hash`. Hashes lie evenly, so that its place is nearly known.
    pub(super) fn contains(&self, hash: u64) -> bool {
        let length = self.values.len();
        let guess = (u128::from(hash) * (length as u128)) >> 64;
        let guess = usize::try_from(guess).unwrap_or(0);
        let (mut low, mut high, mut step) = (guess, guess, 16);
        while low > 0 && self.values.get(low).is_none_or(|value| *value > hash) {
            low = low.saturating_sub(step);
            step *= 2;
        }
        step = 16;
        while self.values.get(high).is_some_and(|value| *value < hash) {
            high = high.saturating_add(step).min(length);
            step *= 2;
        }
        let near = self.values.get(low..high.saturating_add(1).min(length));
        near.is_some_and(|near| near.binary_search(&hash).is_ok())
    }

    pub(super) fn shared(mut self) -> Shared {
        self.values.sort_unstable();
        Shared::of(&self.values)
    }
}

/// Hashes that more than one key has.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) rows: u64,
    pub(super) suspects: HashSet<u64>,
    pub(super) complete: bool,
}

impl Shared {
    pub(super) fn of(sorted: &[u64]) -> Self {
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

    pub(super) fn add(&mut self, other: Self) {
        self.complete = self.complete && other.complete;
        self.rows += other.rows;
        self.suspects.extend(other.suspects);
    }
}

/// Looks at the keys behind equal hashes in `frames`: how many rows share a key, and some of them.
pub(super) async fn duplicates(
    frames: &[&DataFrame],
    keys: &[String],
    filter: Option<&Expr>,
    shared: &Shared,
) -> Result<(u64, Option<String>), DataFusionError> {
    let mut seen: BTreeMap<Box<[u8]>, u64> = BTreeMap::new();
    let mut converter = None;
    for frame in frames {
        let columns = keys.iter().enumerate();
        let columns = columns.map(|(n, key)| ident(key.as_str()).alias(format!("k{n}")));
        let about = filter.cloned().unwrap_or_else(|| lit(true)).alias("about");
        let chosen: Vec<Expr> = columns.chain([about]).collect();
        let mut stream = (*frame).clone().select(chosen)?.execute_stream().await?;
        if converter.is_none() {
            let schema = stream.schema();
            let fields = schema.fields().iter().take(keys.len());
            let fields = fields.map(|field| SortField::new(field.data_type().clone())).collect();
            converter = Some(RowConverter::new(fields)?);
        }
        let Some(converter) = &converter else { continue };
        while let Some(batch) = stream.try_next().await? {
            let Some((about, key)) = batch.columns().split_last() else { continue };
            let about = about.as_boolean();
            let hashes = hashes_of(key, batch.num_rows())?;
            let suspect = |row: usize| {
                hashes.get(row).is_some_and(|hash| shared.suspects.contains(hash))
                    && about.is_valid(row)
                    && about.value(row)
                    && !any_null(key, row)
            };
            if !(0..batch.num_rows()).any(suspect) {
                continue;
            }
            let rows = converter.convert_columns(key)?;
            for (_, row) in rows.iter().enumerate().filter(|(n, _)| suspect(*n)) {
                *seen.entry(row.data().into()).or_default() += 1;
            }
        }
    }
    seen.retain(|_, rows| *rows > 1);
    if seen.is_empty() && shared.complete {
        return Ok((0, None)); // two keys with one hash
    }
    let exact: u64 = seen.values().sum();
    let failed_rows = if shared.complete { exact } else { shared.rows };
    let Some(converter) = converter else { return Ok((failed_rows, None)) };
    let parser = converter.parser();
    let shown = seen.keys().take(SAMPLE_ROWS).map(|bytes| parser.parse(bytes));
    let columns = converter.convert_rows(shown)?;
    let named = keys.iter().map(String::as_str).zip(columns);
    let rows = RecordBatch::try_from_iter(named)?;
    Ok((failed_rows, Some(masked(&[rows])?)))
}
