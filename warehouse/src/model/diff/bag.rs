//! Rows without a key: equal rows are counted on both sides, and what is left over differs.

use datafusion::common::DataFusionError;
use serde_json::{Map, Value};

use super::{Pair, RowsDiff, SAMPLES, counts, quoted, shown};

impl Pair {
    pub(super) async fn as_bags(&self) -> Result<RowsDiff, DataFusionError> {
        let counted = counts(
            &self
                .collect(&format!(
                    "{} select sum(case when n < 0 then -n else 0 end), \
                     sum(case when n > 0 then n else 0 end) from surplus",
                    self.surplus()
                ))
                .await?,
        )?;
        let mut counted = counted.into_iter();
        let mut next = || counted.next().unwrap_or(0);
        let mut diff = RowsDiff { added: next(), removed: next(), ..RowsDiff::default() };
        if diff.added > 0 {
            diff.added_samples = self.some("n < 0").await?;
        }
        if diff.removed > 0 {
            diff.removed_samples = self.some("n > 0").await?;
        }
        Ok(diff)
    }

    /// Each row once, with how many more there are before than after.
    fn surplus(&self) -> String {
        let columns = self.columns.iter().enumerate();
        let named = columns.map(|(n, (column, _))| format!("{} as c{n}", quoted(column)));
        let named = named.collect::<Vec<_>>().join(", ");
        let bare = (0..self.columns.len()).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ");
        format!(
            "with both_sides as (select {named}, 1 as n from before \
             union all select {named}, -1 as n from after), \
             surplus as (select {bare}, sum(n) as n from both_sides group by {bare} \
             having sum(n) <> 0)"
        )
    }

    async fn some(&self, which: &str) -> Result<Vec<Map<String, Value>>, DataFusionError> {
        let order = self.columns.iter().enumerate().filter(|(_, (_, sorts))| *sorts);
        let order: Vec<String> = order.map(|(n, _)| format!("c{n}")).collect();
        let order =
            if order.is_empty() { String::new() } else { format!("order by {}", order.join(", ")) };
        let bare = (0..self.columns.len()).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ");
        let surplus = self.surplus();
        let query =
            format!("{surplus} select {bare} from surplus where {which} {order} limit {SAMPLES}");
        let mut rows = Vec::new();
        for batch in self.collect(&query).await? {
            let places = self.columns.iter().enumerate();
            rows.extend(shown(&batch, places.map(|(n, (name, _))| (name.clone(), n)))?);
        }
        Ok(rows)
    }
}
