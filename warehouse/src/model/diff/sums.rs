//! What the money columns add up to on both sides, to the last digit.
//!
//! Amounts of two currencies are never added: a table with a `currency_code` has a sum for each.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array as _, AsArray as _};
use datafusion::arrow::datatypes::{Decimal128Type, DecimalType as _};
use datafusion::common::DataFusionError;

use super::{Pair, SumDiff, quoted};

/// As `decimal(38, 4)`: room for any sum of `decimal(18, 4)`.
const PRECISION: u8 = 38;
const SCALE: i8 = 4;

impl Pair {
    /// The sums that are not the same, by the order of the columns.
    pub(super) async fn sums(&self) -> Result<Vec<SumDiff>, DataFusionError> {
        if self.money.is_empty() {
            return Ok(Vec::new());
        }
        let mut sums: BTreeMap<(usize, Option<String>), [i128; 2]> = BTreeMap::new();
        for (side, table) in ["before", "after"].into_iter().enumerate() {
            for (of, sum) in self.sums_of(table).await? {
                if let Some(place) = sums.entry(of).or_default().get_mut(side) {
                    *place = sum;
                }
            }
        }
        let text = |sum| Decimal128Type::format_decimal(sum, PRECISION, SCALE);
        let differing = sums.into_iter().filter(|(_, [before, after])| before != after);
        let named = differing.filter_map(|((column, currency_code), [before, after])| {
            Some(SumDiff {
                column: self.money.get(column)?.clone(),
                currency_code,
                before: text(before),
                after: text(after),
                difference: text(after.checked_sub(before)?),
            })
        });
        Ok(named.collect())
    }

    async fn sums_of(
        &self,
        table: &str,
    ) -> Result<Vec<((usize, Option<String>), i128)>, DataFusionError> {
        let sums = self.money.iter().map(|column| {
            format!("cast(sum({}) as decimal({PRECISION}, {SCALE}))", quoted(column))
        });
        let sums = sums.collect::<Vec<_>>().join(", ");
        let query = if self.has_currency {
            format!(
                "select cast(currency_code as varchar), {sums} from {table} group by currency_code"
            )
        } else {
            format!("select cast(null as varchar), {sums} from {table}")
        };
        let mut found = Vec::new();
        for batch in self.collect(&query).await? {
            let codes = batch.column(0).as_string::<i32>();
            for (column, sums) in batch.columns().iter().skip(1).enumerate() {
                let sums = sums.as_primitive::<Decimal128Type>();
                for row in 0..batch.num_rows() {
                    let code = codes.is_valid(row).then(|| codes.value(row).to_owned());
                    let sum = if sums.is_valid(row) { sums.value(row) } else { 0 };
                    found.push(((column, code), sum));
                }
            }
        }
        Ok(found)
    }
}
