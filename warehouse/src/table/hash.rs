//! Hashes of rows: 128 bits for a tuple of columns, and a digest of many rows as a bag.
//!
//! Each column is hashed by itself and mixed in under its own number, and null has a hash of its
//! own: the engine's combined hash skips nulls, so that a value that moves from one column to its
//! neighbour would go unseen.

use datafusion::arrow::array::{Array as _, ArrayRef, RecordBatch};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::DataFusionError;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The hash of null, before it is mixed.
const NULL: u64 = 0x9e37_79b9_7f4a_7c15;
/// Odd numbers that spread the numbers of the columns.
const SPREAD: [u64; 2] = [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// One hash a row over `columns`, whose number and order count. All must have `rows` rows.
///
/// Equal values hash alike only in equal types: bring columns to their stored types first.
pub(crate) fn row_hashes(columns: &[ArrayRef], rows: usize) -> Result<Vec<u128>, DataFusionError> {
    // A row of no columns is a row too: not zero, so that a sum tells how many there are.
    let mut halves = vec![[NULL; 2]; rows];
    let mut buffer = vec![0_u64; rows];
    for (number, column) in (1_u64..).zip(columns) {
        buffer.fill(NULL);
        if column.data_type().is_nested() {
            // The engine's hash of nested values skips nulls too.
            let converter = RowConverter::new(vec![SortField::new(column.data_type().clone())])?;
            let encoded = converter.convert_columns(std::slice::from_ref(column))?;
            for (hash, row) in buffer.iter_mut().zip(encoded.iter()) {
                *hash = xxh3_64(row.as_ref());
            }
        } else {
            create_hashes([column], &QualityRandomState::with_seed(0), &mut buffer)?;
        }
        for (half, hash) in halves.iter_mut().zip(&buffer) {
            for (part, spread) in half.iter_mut().zip(SPREAD) {
                *part = part.wrapping_add(mixed(hash ^ spread.wrapping_mul(number)));
            }
        }
    }
    // Once more over both, so that a sum over rows tells (a, b) + (c, d) from (a, d) + (c, b).
    Ok(halves
        .iter()
        .map(|[a, b]| {
            let a = mixed(a ^ b.rotate_left(32));
            u128::from(a) << 64 | u128::from(mixed(b.wrapping_add(a)))
        })
        .collect())
}

/// The finaliser of `SplitMix64`: every bit of the input moves about half of the output.
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(SPREAD[0]);
    x = (x ^ (x >> 27)).wrapping_mul(SPREAD[1]);
    x ^ (x >> 31)
}

/// What a table holds, whatever the order of its rows: their number and the sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Bag {
    rows: u64,
    sum: u128,
}

impl Bag {
    /// Counts the rows of a batch in.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        for hash in row_hashes(batch.columns(), batch.num_rows())? {
            self.sum = self.sum.wrapping_add(hash);
        }
        self.rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// How many rows.
    pub(crate) fn rows(self) -> u64 {
        self.rows
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, sum: self.sum.wrapping_add(other.sum) }
    }

    /// Without `other`, which must be part of it.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self { rows: self.rows.saturating_sub(other.rows), sum: self.sum.wrapping_sub(other.sum) }
    }

    /// As text, for a release.
    pub(crate) fn digest(self) -> String {
        format!("{}-{:032x}", self.rows, self.sum)
    }

    /// The bag that a digest was made of.
    pub(crate) fn parse(digest: &str) -> Option<Self> {
        let (rows, sum) = digest.split_once('-')?;
        Some(Self { rows: rows.parse().ok()?, sum: u128::from_str_radix(sum, 16).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Int64Array, StringArray, StructArray};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(values.iter().copied().collect::<StringArray>())
    }

    fn hashes(columns: &[ArrayRef]) -> Vec<u128> {
        row_hashes(columns, columns[0].len()).unwrap()
    }

    #[test]
    fn a_value_that_moves_to_another_column_is_another_row() {
        let (x, none) = (Some("x"), None);
        let a = texts(&[x, x, none, none]);
        let b = texts(&[x, none, x, none]);
        let c = texts(&[none, x, x, none]);
        let mut found = hashes(&[a, b, c]);
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 4);
        let pair = |left: Option<&str>, right: Option<&str>| -> ArrayRef {
            let fields = ["l", "r"].map(|name| Arc::new(Field::new(name, DataType::Utf8, true)));
            let columns = vec![texts(&[left]), texts(&[right])];
            Arc::new(StructArray::new(fields.to_vec().into(), columns, None))
        };
        assert_ne!(hashes(&[pair(x, none)]), hashes(&[pair(none, x)]));
        assert_eq!(hashes(&[pair(x, none)]), hashes(&[pair(x, none)]));
    }

    #[test]
    fn a_bag_knows_its_rows_and_not_their_order() {
        let batch = |rows: &[(&str, i64)]| {
            let names: ArrayRef = Arc::new(rows.iter().map(|r| Some(r.0)).collect::<StringArray>());
            let numbers: ArrayRef =
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1)));
            let schema = Schema::new(vec![
                Field::new("a", DataType::Utf8, true),
                Field::new("b", DataType::Int64, true),
            ]);
            RecordBatch::try_new(Arc::new(schema), vec![names, numbers]).unwrap()
        };
        let bag = |rows: &[(&str, i64)]| {
            let mut bag = Bag::default();
            bag.add(&batch(rows)).unwrap();
            bag
        };
        let both = bag(&[("x", 1), ("y", 2)]);
        assert_eq!(both, bag(&[("y", 2), ("x", 1)]));
        assert_ne!(both, bag(&[("x", 2), ("y", 1)]));
        assert_ne!(bag(&[("x", 1), ("x", 1)]), bag(&[("x", 1)]));
        assert_eq!(both.minus(bag(&[("x", 1)])), bag(&[("y", 2)]));
        assert_eq!(bag(&[("x", 1)]).plus(bag(&[("y", 2)])), both);
        assert_eq!(Bag::parse(&both.digest()), Some(both));
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let hashes = row_hashes(&[], 2).unwrap();
        assert!(hashes[0] == hashes[1] && hashes[0] != 0);
    }
}
