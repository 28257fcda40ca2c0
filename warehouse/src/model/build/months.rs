//! One model of a backfill: the keys of one month after the other, each month one commit.
//!
//! A table that any row of may be out of date (another plan, a changed dimension) is up to date
//! again only when every key was computed: where the range leaves none out, the keys without a date
//! follow last. Else it stays out of date, and the next build computes it whole.

use datafusion::logical_expr::LogicalPlan;
use rustc_hash::FxHashSet;

use super::backfill::{Progress, Reached, refused};
use super::calendar::Calendar;
use super::compute::{Done, Found, Task};
use super::failure::Stop;
use super::way::{Choice, Way, Why, choose, stale};
use crate::Result;
use crate::model::checks::CheckResult;
use crate::model::incremental::keys::{Keep, KeySet};
use crate::model::scope::Scope;
use crate::release::{Basis, TableAt};
use crate::table::Bag;

impl Task<'_> {
    /// Computes the keys of the calendar, month by month, from where an earlier try came to.
    pub(super) async fn months(
        &self,
        scope: &Scope,
        plan: LogicalPlan,
        progress: &Progress,
        calendar: &Calendar,
        checks: &mut Vec<CheckResult>,
    ) -> Result<Done, Stop> {
        let name = &self.model.name;
        let here = self.standing.clone().filter(|(at, _)| at.environment == *self.environment);
        let outdated = match &here {
            None => Some(Why::First),
            Some((_, basis)) => stale(basis, &self.basis),
        };
        let mut reached = progress.reached(name).await;
        let mut table = match (&reached.at, &here) {
            (Some(at), _) => (at.clone(), self.basis_with(reached.rows.clone())),
            (None, Some((at, basis))) => (at.clone(), self.basis_with(basis.rows.clone())),
            (None, None) if calendar.is_whole => self.empty(scope, &plan).await?,
            (None, None) => {
                let what = format!("`{name}` has no table of its own yet");
                return Err(refused(what, "begin with a range that leaves no month out").into());
            }
        };
        let mut sum = Sum::default();
        for (month, keys) in calendar.keys() {
            if reached.months.contains(&month) {
                continue;
            }
            table = self.part(scope, &plan, table, keys.clone(), &mut sum, checks).await?;
            reached.months.insert(month);
            reached.at = Some(table.0.clone());
            reached.rows.clone_from(&table.1.rows);
            progress.reach(name, Reached { basis: None, ..reached.clone() }).await?;
            tracing::info!(model = name, %month, "a month is through");
        }
        let rest = match &outdated {
            None => Rest::Nothing,
            Some(Why::Inputs(_)) => match choose(self, scope.session(), &plan).await? {
                Choice::Keys { keys, rows_read, .. } => {
                    sum.read += rows_read;
                    Rest::Keys(keys)
                }
                Choice::Full(_) if calendar.is_whole => Rest::Keys(calendar.rest()),
                Choice::Full(_) => Rest::Outdated,
            },
            Some(_) if calendar.is_whole => Rest::Keys(calendar.rest()),
            Some(_) => Rest::Outdated,
        };
        if let Rest::Keys(keys) = &rest {
            table = self.part(scope, &plan, table, keys.clone(), &mut sum, checks).await?;
        }
        let (at, Basis { rows, .. }) = table;
        let basis = match (rest, here.as_ref()) {
            (Rest::Outdated, Some((_, old))) => Basis { rows, ..old.clone() },
            _ => self.basis_with(rows),
        };
        let is_outdated = stale(&basis, &self.basis).is_some();
        let same = here.is_some_and(|(old, _)| old.contents == at.contents);
        let months = u64::try_from(calendar.months().count()).unwrap_or(u64::MAX);
        let way = Way::Months { months, is_outdated };
        let bag = basis.rows.as_deref().and_then(Bag::parse);
        let Sum { written: rows, read: rows_read } = sum;
        Ok(Done { way, rows, rows_read, at, bag, step: None, basis: Some(basis), same })
    }

    fn basis_with(&self, rows: Option<String>) -> Basis {
        Basis { rows, ..self.basis.clone() }
    }

    /// Puts the rows of some keys in place of those that stand.
    async fn part(
        &self,
        scope: &Scope,
        plan: &LogicalPlan,
        table: (TableAt, Basis),
        keys: KeySet,
        sum: &mut Sum,
        checks: &mut Vec<CheckResult>,
    ) -> Result<(TableAt, Basis), Stop> {
        let task = Task { standing: Some(table), ..self.clone() };
        let found = Found { keys, inputs: Vec::new(), rows_read: 0, limit: None };
        let done = task.keys(scope, plan.clone(), found, checks).await?;
        sum.written += done.rows;
        sum.read += done.rows_read;
        Ok((done.at, self.basis_with(done.bag.map(Bag::digest))))
    }

    /// A table without a row, for the months to be put into.
    async fn empty(&self, scope: &Scope, plan: &LogicalPlan) -> Result<(TableAt, Basis), Stop> {
        let nothing = KeySet::Changed { hashes: FxHashSet::default(), bounds: None };
        let (plan, _) = self.narrowed(scope, plan, &Keep::of(nothing)).await?;
        let (staged, _) = self.stage(scope, plan).await?;
        let rows = staged.bag().map(Bag::digest);
        let (at, _) = staged.commit_step(None).await?;
        Ok((at, self.basis_with(rows)))
    }
}

/// What is left when the months are through.
enum Rest {
    Nothing,
    Keys(KeySet),
    /// It cannot be said which keys, or they are outside of the range.
    Outdated,
}

#[derive(Default)]
struct Sum {
    written: u64,
    read: u64,
}
