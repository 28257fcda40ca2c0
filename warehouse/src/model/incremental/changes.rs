//! Which keys changed in a table between two of its versions.
//!
//! Files that both versions have hold nothing new. Of the others every row is taken once with a
//! plus (it is there now) and once with a minus (it was there): a key whose rows cancel out did
//! not change, however often they were written anew. A row that moved from one key to another
//! shows up under both.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _};
use datafusion::arrow::compute::{max_string, min_string};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DataFusionError, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::TryStreamExt as _;
use rustc_hash::{FxHashMap, FxHashSet};

use super::keys::{Keep, KeySet, key_hashes, wanted};
use super::reach::{Fill, Hop, Keys, Narrowed, narrow_by};
use crate::table::{Side, Snapshot, Step, row_hashes};
use crate::{Error, Result};

/// What a key and its sum take in a table of both.
const SUM_BYTES: usize = 33;

/// One table, then and now.
pub(crate) struct Moved<'a> {
    /// As the plan names it.
    pub(crate) name: TableReference,
    /// As it was; `None` when it did not exist.
    pub(crate) from: Option<&'a Snapshot>,
    /// As it is.
    pub(crate) to: &'a Snapshot,
    /// What the plan takes for its columns.
    pub(crate) schema: SchemaRef,
    /// The columns that the plan uses.
    pub(crate) used: Vec<String>,
    /// How it came from then to now, if that was written down.
    pub(crate) step: Option<&'a Step>,
}

/// The keys under which anything changed.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Of the keys.
    pub(crate) hashes: FxHashSet<u128>,
    /// The smallest and the largest value of the first part of the key among them.
    pub(crate) bounds: Option<(ScalarValue, ScalarValue)>,
    /// Rows that had to be looked at.
    pub(crate) rows_read: u64,
}

impl Changed {
    /// Both together.
    pub(crate) fn add(&mut self, other: Self) {
        if other.hashes.is_empty() {
            return self.read(other.rows_read);
        }
        let first = self.hashes.is_empty();
        self.bounds = match (self.bounds.take(), other.bounds) {
            (_, theirs) if first => theirs,
            (Some((low, high)), Some((least, most))) => {
                Some((if least < low { least } else { low }, if most > high { most } else { high }))
            }
            _ => None,
        };
        self.hashes.extend(other.hashes);
        self.read(other.rows_read);
    }

    fn read(&mut self, rows: u64) {
        self.rows_read += rows;
    }

    /// As a filter.
    pub(crate) fn into_set(self) -> KeySet {
        KeySet::Changed { hashes: self.hashes, bounds: self.bounds }
    }
}

impl Moved<'_> {
    /// The changed keys, `key` being over this table's columns.
    pub(crate) async fn keys(&self, session: &SessionContext, key: &Keys) -> Result<Changed> {
        let failed = |error| Error::engine(format!("comparing versions of `{}`", self.name))(error);
        self.compare(session, key).await.map_err(failed)
    }

    /// Whether any row changed in a column that the plan uses.
    pub(crate) async fn any(&self, session: &SessionContext) -> Result<(bool, u64)> {
        let changed = self.keys(session, &Keys::new()).await?;
        Ok((!changed.hashes.is_empty(), changed.rows_read))
    }

    async fn compare(
        &self,
        session: &SessionContext,
        key: &Keys,
    ) -> Result<Changed, DataFusionError> {
        let (gone, new) = self.sides()?;
        let pool = &session.runtime_env().memory_pool;
        let memory = MemoryConsumer::new("changed keys").register(pool);
        let mut sums: FxHashMap<u128, u128> = FxHashMap::default();
        let mut rows_read = 0;
        for (provider, is_new) in [(&new, true), (&gone, false)] {
            let Some(provider) = provider else { continue };
            // Without anything gone, every key of a new row changed, whatever the row says.
            let compared = gone.is_some();
            let used: &[String] = if compared { &self.used } else { &[] };
            let mut stream = self.frame(session, provider, key, used)?.execute_stream().await?;
            while let Some(batch) = stream.try_next().await? {
                let rows = batch.num_rows();
                rows_read += u64::try_from(rows).unwrap_or(u64::MAX);
                let (keys, values) = batch.columns().split_at(key.len().min(batch.num_columns()));
                let keys: &[ArrayRef] = keys;
                let hashes = key_hashes(keys, rows)?;
                let values = if compared { row_hashes(values, rows)? } else { vec![1; rows] };
                for (hash, value) in hashes.into_iter().zip(values) {
                    let sum = sums.entry(hash).or_default();
                    let moved =
                        if is_new { sum.wrapping_add(value) } else { sum.wrapping_sub(value) };
                    *sum = moved;
                }
                memory.try_resize(sums.capacity().saturating_mul(SUM_BYTES))?;
            }
        }
        let hashes: FxHashSet<u128> =
            sums.into_iter().filter(|(_, sum)| *sum != 0).map(|(hash, _)| hash).collect();
        let bounds = match key.first() {
            Some(first) if !hashes.is_empty() => {
                self.bounds(session, key, first, &hashes, [&gone, &new]).await?
            }
            _ => None,
        };
        Ok(Changed { hashes, bounds, rows_read })
    }

    /// What went and what came; at worst the files that only one of the versions has.
    fn sides(&self) -> Result<(Side, Side), DataFusionError> {
        if let Some(step) = self.step {
            let sides = self.to.sides_of(step, &self.schema);
            let [gone, new] = sides.map_err(|error| DataFusionError::External(Box::new(error)))?;
            return Ok((gone, new));
        }
        let paths = |snapshot: &Snapshot| snapshot.files().into_iter().collect::<HashSet<_>>();
        let (was, is) = (self.from.map(paths).unwrap_or_default(), paths(self.to));
        let side =
            |snapshot: &Snapshot, other: &HashSet<String>| -> Result<Side, DataFusionError> {
                snapshot
                    .provider_of(&self.schema, |path| !other.contains(path))
                    .map_err(|error| DataFusionError::External(Box::new(error)))
            };
        let gone = match self.from {
            Some(from) => side(from, &is)?,
            None => None,
        };
        Ok((gone, side(self.to, &was)?))
    }

    fn frame(
        &self,
        session: &SessionContext,
        provider: &Arc<dyn TableProvider>,
        key: &[Expr],
        used: &[String],
    ) -> Result<DataFrame, DataFusionError> {
        let keys = key.iter().enumerate().map(|(n, part)| part.clone().alias(format!("k{n}")));
        let used = used.iter().enumerate().map(|(n, name)| {
            Expr::Column(Column::new(Some(self.name.clone()), name.as_str())).alias(format!("v{n}"))
        });
        let plan = LogicalPlanBuilder::scan(
            self.name.clone(),
            provider_as_source(Arc::clone(provider)),
            None,
        )?
        .project(keys.chain(used))?
        .build()?;
        Ok(DataFrame::new(session.state(), plan))
    }

    async fn bounds(
        &self,
        session: &SessionContext,
        key: &Keys,
        first: &Expr,
        hashes: &FxHashSet<u128>,
        sides: [&Side; 2],
    ) -> Result<Option<(ScalarValue, ScalarValue)>, DataFusionError> {
        let set = Keep::of(KeySet::Changed { hashes: hashes.clone(), bounds: None });
        let mut found: Option<(ScalarValue, ScalarValue)> = None;
        for provider in sides.into_iter().flatten() {
            let scan = provider_as_source(Arc::clone(provider));
            let plan = LogicalPlanBuilder::scan(self.name.clone(), scan, None)?
                .filter(wanted(&set, key))?
                .aggregate(
                    Vec::<Expr>::new(),
                    vec![
                        min(first.clone()).alias("low"),
                        max(first.clone()).alias("high"),
                        count(first.clone()).alias("known"),
                        count(lit(1)).alias("all"),
                    ],
                )?
                .build()?;
            for batch in DataFrame::new(session.state(), plan).collect().await? {
                let values = batch.columns().iter().map(|it| ScalarValue::try_from_array(it, 0));
                let values = values.collect::<Result<Vec<_>, _>>()?;
                let [low, high, known, all] = values.as_slice() else { continue };
                let (low, high) = (low.clone(), high.clone());
                if *all == ScalarValue::Int64(Some(0)) {
                    continue;
                }
                if known != all || !low.data_type().is_string() {
                    // Null is outside every range; other types are not worth a range.
                    return Ok(None);
                }
                found = Some(match found {
                    Some((least, most)) => (
                        if low < least { low } else { least },
                        if high > most { high } else { most },
                    ),
                    None => (low, high),
                });
            }
        }
        Ok(found)
    }
}

/// Runs what a narrowed plan needs to know first; returns how many rows that took.
pub(crate) async fn fill(session: &SessionContext, fills: &[Fill]) -> Result<u64, DataFusionError> {
    let mut rows_read = 0;
    for fill in fills {
        let changed = keys_of(session, fill.plan.clone()).await?;
        rows_read += changed.rows_read;
        fill.keep.fill(changed.into_set());
    }
    Ok(rows_read)
}

/// The keys of the near side of a join that changes on its far side lead to.
pub(crate) async fn over(
    session: &SessionContext,
    hop: &Hop,
    far: Changed,
) -> Result<Changed, DataFusionError> {
    let keep = Keep::of(far.into_set());
    let Narrowed { plan, fills } = narrow_by(&hop.near, &hop.on, &keep, true)?;
    let mut rows_read = fill(session, &fills).await?;
    let named = hop.key.iter().enumerate().map(|(n, part)| part.clone().alias(format!("k{n}")));
    let plan = LogicalPlanBuilder::from(plan).project(named)?.build()?;
    let mut changed = keys_of(session, plan).await?;
    rows_read += changed.rows_read;
    changed.rows_read = rows_read;
    Ok(changed)
}

/// The keys that are the rows of a plan.
async fn keys_of(session: &SessionContext, plan: LogicalPlan) -> Result<Changed, DataFusionError> {
    let mut changed = Changed::default();
    let mut has_null = false;
    let mut stream = DataFrame::new(session.state(), plan).execute_stream().await?;
    while let Some(batch) = stream.try_next().await? {
        let rows = batch.num_rows();
        changed.rows_read += u64::try_from(rows).unwrap_or(u64::MAX);
        changed.hashes.extend(key_hashes(batch.columns(), rows)?);
        let Some(first) = batch.columns().first().filter(|_| rows > 0) else { continue };
        has_null |= first.null_count() > 0;
        let Some(texts) = first.as_string_opt::<i32>() else {
            has_null = true; // not worth a range
            continue;
        };
        for text in [min_string(texts), max_string(texts)].into_iter().flatten() {
            let text = ScalarValue::from(text);
            changed.bounds = Some(match changed.bounds.take() {
                Some((low, high)) => {
                    let low = if text < low { text.clone() } else { low };
                    (low, if text > high { text } else { high })
                }
                None => (text.clone(), text),
            });
        }
    }
    if has_null {
        changed.bounds = None;
    }
    Ok(changed)
}
