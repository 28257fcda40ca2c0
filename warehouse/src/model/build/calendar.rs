//! Which keys belong to which month: read off the model whose header says `dated_by`.
//!
//! Every model that is changed by the same columns is backfilled by these months, also one that has
//! no date itself, so that all that belongs to an order moves with the order.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::NaiveDate;
use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _};
use datafusion::arrow::compute::{cast, max_string, min_string};
use datafusion::arrow::datatypes::{DataType, Date32Type};
use datafusion::arrow::temporal_conversions::date32_to_datetime;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::prelude::{DataFrame, Expr, ident};
use futures::TryStreamExt as _;
use rustc_hash::FxHashSet;

use super::backfill::Month;
use crate::model::incremental::changes::Changed;
use crate::model::incremental::keys::{KeySet, key_hashes};
use crate::table::Snapshot;
use crate::{Error, Result, Warehouse};

/// The keys of every month.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    /// The columns that a model is changed by.
    pub(super) key: Vec<String>,
    months: BTreeMap<Month, KeySet>,
    /// Whether all dated keys are in these months.
    pub(super) is_whole: bool,
}

impl Calendar {
    /// Reads the keys and dates of a table.
    pub(super) async fn read(
        warehouse: &Warehouse,
        table: &Snapshot,
        key: &[String],
        dated_by: &str,
    ) -> Result<Self> {
        let failed = || Error::engine(format!("reading the dates of `{}`", table.name()));
        let session = warehouse.session()?;
        let rows = session.read_table(table.provider()?).map_err(failed())?;
        let months = months(rows, key, dated_by).await.map_err(failed())?;
        Ok(Self { key: key.to_vec(), months, is_whole: true })
    }

    pub(super) fn months(&self) -> impl Iterator<Item = Month> {
        self.months.keys().copied()
    }

    /// The keys of each month, the oldest first.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Month, &KeySet)> {
        self.months.iter().map(|(month, keys)| (*month, keys))
    }

    /// Only the months of a range.
    pub(super) fn within(mut self, range: &RangeInclusive<Month>) -> Self {
        let all = self.months.len();
        self.months.retain(|month, _| range.contains(month));
        self.is_whole = self.months.len() == all;
        self
    }

    /// All keys that are in none of these months: without a date, or that nobody dated.
    pub(super) fn rest(&self) -> KeySet {
        let mut hashes = FxHashSet::default();
        for keys in self.months.values() {
            if let KeySet::Changed { hashes: some, .. } = keys {
                hashes.extend(some);
            }
        }
        KeySet::Others { hashes }
    }
}

async fn months(
    rows: DataFrame,
    key: &[String],
    dated_by: &str,
) -> Result<BTreeMap<Month, KeySet>, DataFusionError> {
    let columns = key.iter().map(String::as_str).chain([dated_by]).map(ident);
    let rows = rows.select(columns.collect::<Vec<Expr>>())?;
    let rows = rows.filter(ident(dated_by).is_not_null())?;
    let mut months: BTreeMap<Month, Changed> = BTreeMap::new();
    let mut stream = rows.execute_stream().await?;
    while let Some(batch) = stream.try_next().await? {
        let (keys, dates) = batch.columns().split_at(key.len().min(batch.num_columns()));
        let keys: &[ArrayRef] = keys;
        let hashes = key_hashes(keys, batch.num_rows())?;
        let Some(dates) = dates.first() else { continue };
        let dates = cast(dates, &DataType::Date32)?;
        let dates = dates.as_primitive::<Date32Type>();
        let month = |row: usize| date32_to_datetime(dates.value(row)).map(|at| at.date());
        let mut of_batch: BTreeMap<Month, FxHashSet<u128>> = BTreeMap::new();
        for (row, hash) in hashes.into_iter().enumerate() {
            let day: NaiveDate = month(row).unwrap_or_default();
            of_batch.entry(Month::of(day)).or_default().insert(hash);
        }
        // Of a batch with several months the bounds are those of all: wider than need be, never too
        // narrow.
        let bounds = keys.first().and_then(bounds);
        for (month, hashes) in of_batch {
            let bounds = bounds.clone();
            months.entry(month).or_default().add(Changed { hashes, bounds, rows_read: 0 });
        }
    }
    Ok(months.into_iter().map(|(month, keys)| (month, keys.into_set())).collect())
}

fn bounds(column: &ArrayRef) -> Option<(ScalarValue, ScalarValue)> {
    let texts = column.as_string_opt::<i32>().filter(|texts| texts.null_count() == 0)?;
    Some((ScalarValue::from(min_string(texts)?), ScalarValue::from(max_string(texts)?)))
}
