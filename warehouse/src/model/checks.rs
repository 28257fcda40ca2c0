//! The checks of a model, over rows that are written but not yet committed.
//!
//! What the plan proves is not looked at; one scan of the rows answers all the rest: nulls and
//! conditions are counted as the rows pass, of keys and references only hashes are kept, counts,
//! sums and newest moments come along. Nothing that was proved is reported otherwise than as such.

mod findings;
mod history;
mod keys;
mod list;
mod proof;
mod result;
mod rule;
mod sample;
mod scan;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{Expr, cast, not};
use datafusion::prelude::{DataFrame, SessionContext, ident, lit};
use rust_decimal::Decimal;

pub(crate) use self::findings::{compared, fit_together};
pub(crate) use self::history::History;
use self::history::distance;
pub use self::list::declared;
use self::list::{Check, checks_of};
pub(crate) use self::list::{ages, compared_with};
pub(crate) use self::proof::{Proof, Trusted};
pub use self::result::{CheckResult, CheckStatus};
pub use self::rule::{Accepted, Measure, Rule, Test};
use self::sample::SAMPLE_ROWS;
pub(crate) use self::sample::masked;
use self::scan::{Columns, Found, Probe, Question, Scan};
use super::definition::Model;
use super::header::Severity;
use super::scope::Scope;
use crate::{Error, Result};

/// Rows of a table that a build leaves where they are.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// All of them, and only them.
    pub(crate) rows: Arc<dyn TableProvider>,
    /// They were checked under the header that the model has: what is about single rows is then
    /// looked at among the staged rows alone.
    pub(crate) checked: bool,
    /// None of them has a key that a staged row has: `key` is then looked at among the staged rows
    /// alone, if the others were checked.
    pub(crate) keys_disjoint: bool,
    /// Models whose tables hold what they held when these rows were checked: so are references to
    /// them.
    pub(crate) standing: BTreeSet<String>,
}

/// What only a build knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Night<'a> {
    /// The run's clock.
    pub(crate) now: DateTime<Utc>,
    /// The builds before.
    pub(crate) history: &'a History,
}

/// The rows of a model and what is known of them.
pub(crate) struct Audit<'a> {
    scope: &'a Scope,
    model: &'a Model,
    staged: Arc<dyn TableProvider>,
    kept: Option<Kept>,
    proof: Option<Proof<'a>>,
    night: Option<Night<'a>>,
    again: Option<BTreeSet<String>>,
}

impl<'a> Audit<'a> {
    /// `scope` knows the models that the checks compare with; a reference to one that it does not
    /// know is an error, or left out without a night.
    pub(crate) fn new(scope: &'a Scope, model: &'a Model, staged: Arc<dyn TableProvider>) -> Self {
        Self { scope, model, staged, kept: None, proof: None, night: None, again: None }
    }

    /// Rows of the table that stay beside the staged ones. Keys that are no `key` of the model,
    /// references, row counts, newest moments and measures are then those of both together.
    #[must_use]
    pub(crate) fn with_kept(self, kept: Option<Kept>) -> Self {
        Self { kept, ..self }
    }

    /// What the plan of the staged rows proves is not looked at.
    #[must_use]
    pub(crate) fn with_proof(self, proof: Proof<'a>) -> Self {
        Self { proof: Some(proof), ..self }
    }

    /// Without a night the checks of whole tables (`rows`, `fresh`, `steady`) are left out.
    #[must_use]
    pub(crate) fn with_night(self, night: Night<'a>) -> Self {
        Self { night: Some(night), ..self }
    }

    /// For rows that were audited before and have not changed: only what may have changed without
    /// them is looked at, their age and the references to `moved` models.
    #[must_use]
    pub(crate) fn again(self, moved: BTreeSet<String>) -> Self {
        Self { again: Some(moved), ..self }
    }

    /// The results, in the order of the header: the key, `not_null`, `checks`.
    pub(crate) async fn run(self) -> Result<Vec<CheckResult>> {
        let failed = || Error::engine(format!("checking `{}`", self.model.name));
        self.results().await.map_err(failed())
    }

    async fn results(&self) -> Result<Vec<CheckResult>, DataFusionError> {
        let checks: Vec<Check> = checks_of(self.model);
        let mut open = Vec::new();
        let mut results: Vec<(usize, CheckResult)> = Vec::new();
        for (number, check) in checks.into_iter().enumerate() {
            let stands = match (&self.again, &check.rule.test) {
                (None, _) | (Some(_), Test::Fresh { .. }) => false,
                (Some(moved), Test::References { model, .. }) => !moved.contains(model),
                (Some(_), _) => true,
            };
            if stands || check.of_table() && self.night.is_none() {
                continue;
            }
            if self.is_proved(&check) {
                let mut result = outcome(&check, 0, 0, None);
                result.status = CheckStatus::Proved;
                results.push((number, result));
            } else {
                open.push((number, check));
            }
        }
        if !open.is_empty() {
            results.extend(self.scanned(open).await?);
        }
        results.sort_by_key(|(number, _)| *number);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// Whether the plan proves `check` for all rows that it is about.
    fn is_proved(&self, check: &Check) -> bool {
        let Some(proof) = &self.proof else { return false };
        let of_staged = match (&self.kept, &check.rule.test) {
            (None, _) => true,
            (Some(kept), _) => !self.concerns(kept, check),
        };
        of_staged && proof.shows(&check.rule, &self.staged.schema())
    }

    /// Whether `check` is about the rows that stay, too.
    fn concerns(&self, kept: &Kept, check: &Check) -> bool {
        if !kept.checked {
            return true;
        }
        match &check.rule.test {
            Test::Unique(columns) => {
                let key = check.rule.filter.is_none() && *columns == self.model.header.key;
                !(key && kept.keys_disjoint)
            }
            Test::References { model, .. } => !kept.standing.contains(model),
            Test::Rows { .. } | Test::Fresh { .. } | Test::Steady { .. } => true,
            Test::Condition(_) | Test::NotNull(_) | Test::Accepted { .. } => false,
        }
    }

    async fn scanned(
        &self,
        checks: Vec<(usize, Check)>,
    ) -> Result<Vec<(usize, CheckResult)>, DataFusionError> {
        let session = self.scope.session();
        let staged = session.read_table(Arc::clone(&self.staged))?;
        let kept = match &self.kept {
            Some(kept) => Some(session.read_table(Arc::clone(&kept.rows))?),
            None => None,
        };
        let mut columns = Columns::default();
        let mut probes = Vec::new();
        let mut asked = Vec::new();
        for (number, check) in checks {
            let Some(question) = self.question(&mut columns, &staged, &check).await? else {
                continue;
            };
            let filter = match &check.rule.filter {
                Some(filter) => Some(condition(session, &staged, filter)?),
                None => None,
            };
            let only = filter.clone().map(|filter| columns.slot(filter));
            let kept = self.kept.as_ref().is_some_and(|kept| self.concerns(kept, &check));
            probes.push(Probe { question, only, kept });
            asked.push((number, check, filter));
        }
        if probes.is_empty() {
            return Ok(Vec::new());
        }
        let name = self.model.name.clone();
        let scan = Scan { name, staged: staged.clone(), kept: kept.clone(), columns, probes };
        let found = scan.run().await?;
        let mut results = Vec::with_capacity(asked.len());
        for ((number, check, filter), found) in asked.into_iter().zip(found) {
            let mut frames = vec![&staged];
            if self.kept.as_ref().is_some_and(|kept| self.concerns(kept, &check)) {
                frames.extend(&kept);
            }
            results.push((number, self.judged(&check, filter.as_ref(), &frames, found).await?));
        }
        Ok(results)
    }

    /// What to ask of the rows; `None` for a reference to what is not there, without a night.
    async fn question(
        &self,
        columns: &mut Columns,
        rows: &DataFrame,
        check: &Check,
    ) -> Result<Option<Question>, DataFusionError> {
        Ok(Some(match &check.rule.test {
            Test::Unique(key) => Question::Keys(slots(columns, key)),
            Test::References { columns: key, model, targets } => {
                let session = self.scope.session();
                let parents = if *model == self.model.name {
                    match &self.kept {
                        None => rows.clone(),
                        Some(kept) => {
                            rows.clone().union(session.read_table(Arc::clone(&kept.rows))?)?
                        }
                    }
                } else {
                    match session.table(model.as_str()).await {
                        Ok(parents) => parents,
                        Err(_) if self.night.is_none() => return Ok(None),
                        Err(error) => return Err(error),
                    }
                };
                let (own, parents) = common(key, rows, targets, parents)?;
                let shown = with_keys(&self.model.header.key, key.iter().cloned()).into_iter();
                let shown = shown.map(|name| (name.clone(), columns.slot(ident(name))));
                let shown = shown.collect();
                let key = own.into_iter().map(|column| columns.slot(column)).collect();
                Question::Parents { key, parents: Box::new(parents), shown }
            }
            Test::Rows { .. } | Test::Steady { measure: Measure::Rows, .. } => Question::Count,
            Test::Fresh { column, .. } => {
                let moment = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
                Question::Newest(columns.slot(cast(ident(column.as_str()), moment)))
            }
            Test::Steady { measure: Measure::Nulls(column), .. } => {
                Question::Flag(columns.slot(ident(column.as_str()).is_null()))
            }
            Test::Steady { measure: Measure::Sum(column), .. } => {
                let scale = scale_of(rows.schema().as_arrow(), column);
                let wide = DataType::Decimal128(38, scale);
                Question::Sum(columns.slot(cast(ident(column.as_str()), wide)))
            }
            Test::Condition(_) | Test::NotNull(_) | Test::Accepted { .. } => {
                let (broken, _) = self.broken(rows, check)?;
                Question::Flag(columns.slot(broken))
            }
        }))
    }

    /// What is true for a row that breaks the check, and the columns that it is about.
    fn broken(
        &self,
        rows: &DataFrame,
        check: &Check,
    ) -> Result<(Expr, Vec<String>), DataFusionError> {
        match &check.rule.test {
            Test::Condition(text) => {
                let holds = condition(self.scope.session(), rows, text)?;
                let named = holds.column_refs().into_iter().map(|column| column.name.clone());
                let mut named: Vec<String> = named.collect();
                named.sort();
                Ok((not(holds).is_true(), named))
            }
            Test::Accepted { column, values } => {
                let list = values.iter().map(literal).collect();
                let outside = ident(column.as_str()).in_list(list, true);
                Ok((outside.is_true(), vec![column.clone()]))
            }
            Test::NotNull(names) => {
                let nulls = names.iter().map(|name| ident(name.as_str()).is_null());
                let broken = nulls.reduce(Expr::or).unwrap_or_else(|| lit(false));
                Ok((broken, names.clone()))
            }
            _ => Ok((lit(false), Vec::new())),
        }
    }

    async fn judged(
        &self,
        check: &Check,
        filter: Option<&Expr>,
        frames: &[&DataFrame],
        found: Found,
    ) -> Result<CheckResult, DataFusionError> {
        let rows = found.rows;
        match &check.rule.test {
            Test::Unique(key) => {
                let (failed, sample) = match found.shared.rows {
                    0 => (0, None),
                    _ => keys::duplicates(frames, key, filter, &found.shared).await?,
                };
                Ok(outcome(check, failed, rows, sample))
            }
            Test::References { .. } => {
                let sample = match found.orphans.as_slice() {
                    [] => None,
                    orphans => Some(masked(orphans)?),
                };
                Ok(outcome(check, found.counted, rows, sample))
            }
            Test::Condition(_) | Test::NotNull(_) | Test::Accepted { .. } => {
                let mut shown = Vec::new();
                for rows in frames.iter().filter(|_| found.counted > 0) {
                    shown.extend(self.breaking(rows, check, filter).await?);
                }
                let sample = if shown.is_empty() { None } else { Some(masked(&shown)?) };
                Ok(outcome(check, found.counted, rows, sample))
            }
            Test::Rows { at_least, at_most } => {
                let detail = bounds(rows, *at_least, *at_most);
                Ok(of_table(check, rows, rows.to_string(), detail))
            }
            Test::Fresh { column, age, within } => {
                let whole_day = matches!(
                    frames.first().map(|rows| type_of(rows.schema().as_arrow(), column)),
                    Some(Some(DataType::Date32))
                );
                let newest = found.newest.and_then(DateTime::from_timestamp_micros);
                let detail = self.age(newest, whole_day, *age, within);
                let value = newest.map(|newest| newest.to_rfc3339()).unwrap_or_default();
                Ok(of_table(check, rows, value, detail))
            }
            Test::Steady { measure, score, after, .. } => {
                let value = match measure {
                    Measure::Rows => Some(Decimal::from(rows)),
                    Measure::Nulls(_) => Decimal::from(found.counted)
                        .checked_div(Decimal::from(rows.max(1)))
                        .map(|share| share.round_dp(8).normalize()),
                    Measure::Sum(column) => {
                        found.sum.zip(frames.first()).and_then(|(sum, rows)| {
                            let scale = scale_of(rows.schema().as_arrow(), column);
                            Decimal::try_from_i128_with_scale(sum, scale.unsigned_abs().into()).ok()
                        })
                    }
                };
                let detail =
                    value.and_then(|value| self.moved(check, measure, value, *score, *after));
                let value = value.map(|value| value.to_string()).unwrap_or_default();
                Ok(of_table(check, rows, value, detail))
            }
        }
    }

    /// Rows that break a check.
    async fn breaking(
        &self,
        rows: &DataFrame,
        check: &Check,
        filter: Option<&Expr>,
    ) -> Result<Vec<RecordBatch>, DataFusionError> {
        let (broken, named) = self.broken(rows, check)?;
        let named = with_keys(&self.model.header.key, named);
        let columns: Vec<Expr> = named.iter().map(|column| ident(column.as_str())).collect();
        let broken = filter.cloned().into_iter().fold(broken, Expr::and);
        let shown = rows.clone().filter(broken)?.select(columns)?;
        shown.limit(0, Some(SAMPLE_ROWS))?.collect().await
    }

    /// What is wrong with the age of the newest row.
    fn age(
        &self,
        newest: Option<DateTime<Utc>>,
        whole_day: bool,
        most: TimeDelta,
        within: &str,
    ) -> Option<String> {
        let now = self.night.as_ref()?.now;
        let Some(newest) = newest else {
            return Some(format!("no row has a date, expected one within {within}"));
        };
        let until = if whole_day { newest + TimeDelta::days(1) } else { newest };
        let age = now - until;
        (age > most).then(|| {
            let age = match age.num_hours() {
                hours @ ..48 => format!("{hours} hours"),
                hours => format!("{} days", hours / 24),
            };
            let newest = newest.format("%Y-%m-%d %H:%M");
            format!("the newest row is of {newest} UTC, {age} old, expected within {within}")
        })
    }

    /// What is strange about a measure.
    fn moved(
        &self,
        check: &Check,
        measure: &Measure,
        value: Decimal,
        most: Decimal,
        after: usize,
    ) -> Option<String> {
        let past = self.night.as_ref()?.history.of(&self.model.name, check);
        if past.len() < after {
            return None;
        }
        let found = distance(&past, value, measure)?;
        (found.score > most).then(|| {
            format!(
                "{measure} is {value}, and of {} builds before the median is {} with a spread of \
                 {}: a score of {}, expected at most {most}",
                past.len(),
                found.median.normalize(),
                found.spread.normalize(),
                found.score.round_dp(2)
            )
        })
    }
}

/// Whether rows are as many as they should be.
fn bounds(rows: u64, at_least: Option<u64>, at_most: Option<u64>) -> Option<String> {
    if let Some(least) = at_least.filter(|least| rows < *least) {
        return Some(format!("{rows} rows, expected at least {least}"));
    }
    let most = at_most.filter(|most| rows > *most)?;
    Some(format!("{rows} rows, expected at most {most}"))
}

fn outcome(
    check: &Check,
    failed_rows: u64,
    checked_rows: u64,
    sample: Option<String>,
) -> CheckResult {
    CheckResult {
        name: check.name.clone(),
        kind: check.kind(),
        severity: check.severity,
        status: status(failed_rows > 0, check.severity),
        failed_rows,
        checked_rows,
        sample,
        value: None,
        detail: None,
    }
}

/// The result of a check of a whole table, broken when there is something to say.
fn of_table(check: &Check, rows: u64, value: String, detail: Option<String>) -> CheckResult {
    let result = outcome(check, 0, rows, None);
    let status = status(detail.is_some(), check.severity);
    let value = Some(value).filter(|value| !value.is_empty());
    CheckResult { status, value, detail, ..result }
}

fn status(broken: bool, severity: Severity) -> CheckStatus {
    match (broken, severity) {
        (false, _) => CheckStatus::Passed,
        (true, Severity::Warn) => CheckStatus::Warned,
        (true, Severity::Block) => CheckStatus::Failed,
    }
}

fn condition(
    session: &SessionContext,
    rows: &DataFrame,
    text: &str,
) -> Result<Expr, DataFusionError> {
    session.state().create_logical_expr(text, rows.schema())
}

fn literal(value: &Accepted) -> Expr {
    match value {
        Accepted::Text(text) => lit(text.as_str()),
        Accepted::Integer(number) => lit(*number),
        Accepted::Boolean(truth) => lit(*truth),
    }
}

fn slots(columns: &mut Columns, names: &[String]) -> Vec<usize> {
    names.iter().map(|name| columns.slot(ident(name.as_str()))).collect()
}

/// The columns of a reference on both sides, in types whose hashes can be compared.
fn common(
    columns: &[String],
    rows: &DataFrame,
    targets: &[String],
    parents: DataFrame,
) -> Result<(Vec<Expr>, DataFrame), DataFusionError> {
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    for (column, target) in columns.iter().zip(targets) {
        let here = type_of(rows.schema().as_arrow(), column);
        let there = type_of(parents.schema().as_arrow(), target);
        let known = here.zip(there).and_then(|(here, there)| findings::comparable(here, there));
        let Some(same) = known else {
            let message = format!("`{column}` and `{target}` cannot be compared");
            return Err(DataFusionError::Plan(message));
        };
        let brought = |name: &str, from: Option<&DataType>| match from {
            Some(from) if *from == same => ident(name),
            _ => cast(ident(name), same.clone()),
        };
        own.push(brought(column, here));
        let place = theirs.len();
        theirs.push(brought(target, there).alias(format!("t{place}")));
    }
    Ok((own, parents.select(theirs)?))
}

fn type_of<'a>(schema: &'a Schema, column: &str) -> Option<&'a DataType> {
    schema.field_with_name(column).ok().map(Field::data_type)
}

fn scale_of(schema: &Schema, column: &str) -> i8 {
    match type_of(schema, column) {
        Some(DataType::Decimal128(_, scale)) => *scale,
        _ => 0,
    }
}

fn with_keys(keys: &[String], more: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut columns: Vec<String> = keys.to_vec();
    for column in more {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}

#[cfg(test)]
mod tests;
