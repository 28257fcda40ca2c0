//! What a table measured in the builds before, and how far a new measure lies from that.
//!
//! The history is `ops.check_results` itself: the `value` of every `steady` check that did not stop
//! its build. The score is robust, 0.6745 x (value - median) / MAD, so that one bad night in the
//! past neither hides the next one nor makes a good one look bad.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{Array as _, AsArray};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::prelude::{Expr, ident, lit};
use futures::TryStreamExt as _;
use rust_decimal::Decimal;

use super::list::{Check, checks_of};
use super::rule::{Measure, Test};
use crate::environment::Environment;
use crate::model::definition::Model;
use crate::ops::OpsTable;
use crate::{Error, Result, Warehouse};

/// What makes the median absolute deviation of a normal distribution its standard deviation.
const NORMAL: Decimal = Decimal::from_parts(6745, 0, 0, false, 4);
const HUNDREDTH: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
const THOUSANDTH: Decimal = Decimal::from_parts(1, 0, 0, false, 3);

/// A measure of one build: when, of which run, how much.
type Past = (i64, String, Decimal);

/// The measures of earlier builds, by model and check.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(BTreeMap<(String, String), Vec<Past>>);

impl History {
    /// The newest measures of `models`, as many as their checks compare with. Those of the run
    /// itself are left out: it may be tried again.
    ///
    /// Reads nothing when no model has a `steady` check.
    pub(crate) async fn load(
        warehouse: &Warehouse,
        models: &[&Model],
        environment: &Environment,
        run_id: &str,
    ) -> Result<Self> {
        let wanted: BTreeMap<(String, String), usize> = models
            .iter()
            .flat_map(|model| checks_of(model).into_iter().map(|check| (&model.name, check)))
            .filter_map(|(model, check)| match check.rule.test {
                Test::Steady { builds, .. } => Some(((model.clone(), check.name), builds)),
                _ => None,
            })
            .collect();
        if wanted.is_empty() {
            return Ok(Self::default());
        }
        let failed = || Error::engine("reading the history in `ops.check_results`");
        let rows = warehouse.ops_provider(OpsTable::CheckResults).await?;
        let names: BTreeSet<&str> = wanted.keys().map(|(model, _)| model.as_str()).collect();
        let names: Vec<Expr> = names.into_iter().map(lit).collect();
        let of_past = ident("kind")
            .eq(lit("steady"))
            .and(ident("status").in_list(vec![lit("passed"), lit("warned")], false))
            .and(ident("run_id").not_eq(lit(run_id)))
            .and(ident("environment").eq(lit(environment.name())))
            .and(ident("model").in_list(names, false));
        let columns = ["model", "check_name", "run_id", "value", "checked_at"];
        let frame = warehouse
            .session()?
            .read_table(rows)
            .and_then(|frame| frame.filter(of_past))
            .and_then(|frame| frame.select(columns.map(ident).to_vec()))
            .map_err(failed())?;
        let mut stream = frame.execute_stream().await.map_err(failed())?;
        let mut past: BTreeMap<(String, String), Vec<Past>> = BTreeMap::new();
        while let Some(batch) = stream.try_next().await.map_err(failed())? {
            let [models, checks, runs, values, times] = batch.columns() else { continue };
            let [models, checks, runs, values] =
                [models, checks, runs, values].map(AsArray::as_string::<i32>);
            let times = times.as_primitive::<TimestampMicrosecondType>();
            for row in 0..batch.num_rows() {
                let key = (models.value(row).to_owned(), checks.value(row).to_owned());
                let Some(builds) = wanted.get(&key) else { continue };
                // A measure that cannot be read is none.
                let value = values.is_valid(row).then(|| values.value(row).parse().ok()).flatten();
                let Some(value) = value else { continue };
                let known = past.entry(key).or_default();
                known.push((times.value(row), runs.value(row).to_owned(), value));
                if known.len() > 2 * builds {
                    keep_newest(known, *builds);
                }
            }
        }
        for (key, known) in &mut past {
            keep_newest(known, wanted.get(key).copied().unwrap_or_default());
        }
        Ok(Self(past))
    }

    /// The measures known of a check, in no order.
    pub(super) fn of(&self, model: &str, check: &Check) -> Vec<Decimal> {
        let known = self.0.get(&(model.to_owned(), check.name.clone()));
        known.into_iter().flatten().map(|(_, _, value)| *value).collect()
    }

    #[cfg(test)]
    pub(super) fn with(model: &str, check: &str, values: &[Decimal]) -> Self {
        let past = values.iter().map(|value| (0, String::new(), *value)).collect();
        Self(BTreeMap::from([((model.to_owned(), check.to_owned()), past)]))
    }
}

fn keep_newest(known: &mut Vec<Past>, builds: usize) {
    known.sort_unstable_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    known.truncate(builds);
}

/// How far a value lies from the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Distance {
    pub(super) median: Decimal,
    /// The median absolute deviation, or the least that is taken for it.
    pub(super) spread: Decimal,
    pub(super) score: Decimal,
}

/// The robust score of `value`. `None` without a past, or when the numbers are too large.
///
/// The spread is never below a hundredth of the median, one row or unit, and a thousandth of a
/// share: a past that never moved says nothing about how far a step may go.
pub(super) fn distance(past: &[Decimal], value: Decimal, measure: &Measure) -> Option<Distance> {
    let center = median(past.to_vec())?;
    let apart: Option<Vec<Decimal>> =
        past.iter().map(|value| Some(value.checked_sub(center)?.abs())).collect();
    let least = match measure {
        Measure::Rows | Measure::Sum(_) => Decimal::ONE,
        Measure::Nulls(_) => THOUSANDTH,
    };
    let spread = median(apart?)?.max(center.abs().checked_mul(HUNDREDTH)?).max(least);
    let score = value.checked_sub(center)?.abs().checked_div(spread)?.checked_mul(NORMAL)?;
    Some(Distance { median: center, spread, score })
}

fn median(mut values: Vec<Decimal>) -> Option<Decimal> {
    values.sort_unstable();
    let middle = values.len() / 2;
    let high = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(high);
    }
    let low = *values.get(middle.checked_sub(1)?)?;
    low.checked_add(high)?.checked_div(Decimal::TWO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(texts: &[&str]) -> Vec<Decimal> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn score(past: &[&str], value: &str, measure: &Measure) -> String {
        let distance = distance(&numbers(past), value.parse().unwrap(), measure).unwrap();
        format!(
            "{} {} {}",
            distance.median.normalize(),
            distance.spread.normalize(),
            distance.score.round_dp(4).normalize()
        )
    }

    #[test]
    fn the_score_is_the_one_worked_out_by_hand() {
        // 100 102 104 106 118: median 104, |x - 104| = 0 2 2 4 14: MAD 2.
        let past = ["100", "118", "104", "102", "106"];
        assert_eq!(score(&past, "104", &Measure::Rows), "104 2 0");
        // 0.6745 x 10 / 2
        assert_eq!(score(&past, "114", &Measure::Rows), "104 2 3.3725");
        assert_eq!(score(&past, "94", &Measure::Rows), "104 2 3.3725");
        // Of an even number the middle two: (102 + 104) / 2 = 103, |x - 103| = 1 1 3 3 -> MAD 2.
        let even = ["100", "102", "104", "106"];
        // 0.6745 x 8.25 / 2 = 2.7823..
        assert_eq!(score(&even, "111.25", &Measure::Sum("a".into())), "103 2 2.7823");
        // Shares: median 0.02, deviations 0 0.01 0.01: MAD 0.01; 0.6745 x 0.08 / 0.01
        let shares = ["0.01", "0.02", "0.03"];
        assert_eq!(score(&shares, "0.10", &Measure::Nulls("a".into())), "0.02 0.01 5.396");
    }

    #[test]
    fn a_past_that_never_moved_has_the_least_spread() {
        let still = ["1000"; 7];
        // A hundredth of the median: 0.6745 x 50 / 10
        assert_eq!(score(&still, "1050", &Measure::Rows), "1000 10 3.3725");
        assert_eq!(score(&["0"; 7], "4", &Measure::Rows), "0 1 2.698");
        assert_eq!(score(&["0"; 7], "0.004", &Measure::Nulls("a".into())), "0 0.001 2.698");
        assert_eq!(distance(&[], Decimal::ONE, &Measure::Rows), None);
        assert_eq!(distance(&[Decimal::MAX], Decimal::MIN, &Measure::Rows), None);
    }
}
