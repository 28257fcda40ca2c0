//! Rows matched by their key: one full outer join that counts, and one that shows some of it.
//!
//! Both sides are joined null-safe, so that a key with a null in it meets itself. A key that is
//! not unique would match rows with each other's neighbours; that shows in the number of matches,
//! and such tables are compared as bags.

use datafusion::arrow::array::{AsArray as _, RecordBatch};
use datafusion::common::DataFusionError;

use super::{ColumnDiff, Pair, RowsDiff, SAMPLES, ValueDiff, counts, quoted, shown};

/// Differing rows that are looked through for samples of each column.
const LOOKED_THROUGH: usize = 200;

impl Pair {
    /// `None` when there is no key, or it names more than one row.
    pub(super) async fn by_key(
        &self,
        (rows_before, rows_after): (u64, u64),
    ) -> Result<Option<RowsDiff>, DataFusionError> {
        if self.key.is_empty() {
            return Ok(None);
        }
        let values: Vec<usize> = self.values().collect();
        let any = any_differs(&values);
        let counted = counts(&self.collect(&self.counting(&values, &any)).await?)?;
        let mut counted = counted.into_iter();
        let mut next = || counted.next().unwrap_or(0);
        let (matched, added, removed, changed) = (next(), next(), next(), next());
        if matched + removed != rows_before || matched + added != rows_after {
            return Ok(None);
        }
        let mut diff =
            RowsDiff { key: self.key.clone(), added, removed, changed, ..RowsDiff::default() };
        for column in &values {
            let rows = next();
            if rows > 0 {
                let column = self.name(*column);
                diff.values.push(ColumnDiff { column, rows, samples: Vec::new() });
            }
        }
        if diff.is_empty() {
            return Ok(Some(diff));
        }
        // Each has its own turn, so that many changed rows do not hide a few added ones.
        for which in ["a.is_there is null", "b.is_there is null", any.as_str()] {
            self.show(&mut diff, which, LOOKED_THROUGH).await?;
        }
        // Columns that differ in rows further down only.
        for column in values {
            let name = self.name(column);
            if diff.values.iter().any(|diff| diff.column == name && diff.samples.is_empty()) {
                self.show(&mut diff, &differs(column), SAMPLES).await?;
            }
        }
        Ok(Some(diff))
    }

    /// Matched, added, removed and changed rows; then, column by column, rows that differ in it.
    pub(super) fn counting(&self, values: &[usize], any: &str) -> String {
        let there = ["a.is_there and b.is_there", "a.is_there is null", "b.is_there is null", any];
        let conditions = there.into_iter().map(str::to_owned);
        let conditions = conditions.chain(values.iter().map(|column| differs(*column)));
        let sums = conditions
            .enumerate()
            .map(|(n, condition)| format!("sum(case when {condition} then 1 else 0 end) as n{n}"));
        let sums = sums.collect::<Vec<_>>().join(", ");
        format!("{} select {sums} {}", self.sides(), self.joined())
    }

    /// The columns that are not of the key.
    fn values(&self) -> impl Iterator<Item = usize> {
        let columns = self.columns.iter().enumerate();
        columns.filter(|(_, (name, _))| !self.key.contains(name)).map(|(place, _)| place)
    }

    fn name(&self, column: usize) -> String {
        self.columns.get(column).map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// Both tables with numbered columns: `k0`, .. to join on, `c0`, .. to look at.
    fn sides(&self) -> String {
        let key = self.key.iter().enumerate().map(|(n, column)| {
            // A sort-merge join takes no timestamp with a zone.
            if self.moments.contains(column) {
                format!("cast({} as bigint) as k{n}", quoted(column))
            } else {
                format!("{} as k{n}", quoted(column))
            }
        });
        let columns = self.columns.iter().enumerate();
        let columns = columns.map(|(n, (column, _))| format!("{} as c{n}", quoted(column)));
        let list = key.chain(columns).collect::<Vec<_>>().join(", ");
        format!(
            "with a as (select true as is_there, {list} from before), \
             b as (select true as is_there, {list} from after)"
        )
    }

    fn joined(&self) -> String {
        // In parentheses, else the parser takes the `and` for a part of the right side.
        let on = (0..self.key.len()).map(|n| format!("(a.k{n} is not distinct from b.k{n})"));
        format!("from a full outer join b on {}", on.collect::<Vec<_>>().join(" and "))
    }

    /// Adds samples from the first rows by key for which `which` holds.
    async fn show(
        &self,
        diff: &mut RowsDiff,
        which: &str,
        rows: usize,
    ) -> Result<(), DataFusionError> {
        let width = self.columns.len();
        let columns =
            (0..width).flat_map(|n| [format!("a.c{n} as a{n}"), format!("b.c{n} as b{n}")]);
        let flags = (0..width).map(|n| format!("{} as d{n}", differs(n)));
        let there =
            ["a.is_there is not null as a", "b.is_there is not null as b"].map(str::to_owned);
        let list = there.into_iter().chain(columns).chain(flags).collect::<Vec<_>>().join(", ");
        let order = (0..self.key.len()).map(|n| format!("coalesce(a.k{n}, b.k{n})"));
        let order = order.collect::<Vec<_>>().join(", ");
        let query = format!(
            "{} select {list} {} where {which} order by {order} limit {rows}",
            self.sides(),
            self.joined()
        );
        for batch in self.collect(&query).await? {
            self.take(diff, &batch)?;
        }
        Ok(())
    }

    fn take(&self, diff: &mut RowsDiff, batch: &RecordBatch) -> Result<(), DataFusionError> {
        let width = self.columns.len();
        // After the two marks the columns alternate, then come the flags.
        let side = |offset: usize| {
            let columns = self.columns.iter().enumerate();
            shown(batch, columns.map(|(n, (name, _))| (name.clone(), 2 + 2 * n + offset)))
        };
        let sides = side(0)?.into_iter().zip(side(1)?);
        let (is_before, is_after) = (batch.column(0).as_boolean(), batch.column(1).as_boolean());
        for (row, (before, after)) in sides.enumerate() {
            let standing = if is_after.value(row) { &after } else { &before };
            let is_key = |name: &String| self.key.contains(name);
            let key = standing.iter().filter(|(name, _)| is_key(name));
            let key: serde_json::Map<_, _> =
                key.map(|(name, value)| (name.clone(), value.clone())).collect();
            let samples = match (is_before.value(row), is_after.value(row)) {
                (true, true) => {
                    for (place, (name, _)) in self.columns.iter().enumerate() {
                        let flag = batch.column(2 + 2 * width + place).as_boolean();
                        let column = diff.values.iter_mut().find(|diff| diff.column == *name);
                        let Some(column) = column.filter(|_| flag.value(row)) else { continue };
                        let value = |side: &serde_json::Map<String, serde_json::Value>| {
                            side.get(name).cloned().unwrap_or_default()
                        };
                        let (before, after) = (value(&before), value(&after));
                        let sample = ValueDiff { key: key.clone(), before, after };
                        if column.samples.len() < SAMPLES && !column.samples.contains(&sample) {
                            column.samples.push(sample);
                        }
                    }
                    continue;
                }
                (false, _) => &mut diff.added_samples,
                (true, false) => &mut diff.removed_samples,
            };
            if samples.len() < SAMPLES {
                samples.push(key);
            }
        }
        Ok(())
    }
}

/// Both rows are there, and the column is not the same.
fn differs(column: usize) -> String {
    format!("(a.is_there and b.is_there and a.c{column} is distinct from b.c{column})")
}

fn any_differs(columns: &[usize]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| differs(*column)).collect();
    if columns.is_empty() { "false".to_owned() } else { format!("({})", columns.join(" or ")) }
}
