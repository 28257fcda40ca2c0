//! What was built and checked last, by model, from `ops.steps` and `ops.check_results`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::{failure::Failure, output, run::House};

/// The last step of every model that succeeded.
const BUILT: &str = "with newest as (\
     select name, max(run_id) as run_id from ops.steps \
     where kind = 'model' and status = 'succeeded' group by name) \
     select steps.name, steps.started_at, steps.finished_at, steps.rows \
     from ops.steps as steps inner join newest \
     on steps.name = newest.name and steps.run_id = newest.run_id \
     where steps.kind = 'model' and steps.status = 'succeeded'";
/// The results of the last build that checked the model.
const CHECKED: &str = "with newest as (\
     select model, max(run_id) as run_id from ops.check_results group by model) \
     select results.model, results.check_name, results.severity, results.status, \
     results.failed_rows, results.checked_rows, date_trunc('second', results.checked_at) \
     from ops.check_results as results inner join newest \
     on results.model = newest.model and results.run_id = newest.run_id";

/// What was built and checked last.
#[derive(Debug, Clone, Default)]
pub struct Past {
    built: HashMap<String, Built>,
    checked: HashMap<String, Vec<Checked>>,
}

/// When a model was built last.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub(super) finished_at: String,
    /// Of the whole build: models run beside each other.
    pub(super) seconds: Option<i64>,
    pub(super) rows: String,
}

/// How a check ended.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) name: String,
    pub(super) severity: String,
    pub(super) status: String,
    pub(super) failed_rows: String,
    pub(super) of_rows: String,
    pub(super) at: String,
}

impl Past {
    /// Reads it; nothing was built yet when the tables are not there.
    ///
    /// # Errors
    /// When the warehouse cannot be read.
    pub async fn read(house: &House) -> Result<Self, Failure> {
        let mut past = Self::default();
        for row in output::rows(house, BUILT).await? {
            let [name, started_at, finished_at, rows] = row.as_slice() else { continue };
            let at = |text: &str| text.parse::<DateTime<Utc>>().ok();
            let seconds =
                at(finished_at).zip(at(started_at)).map(|(end, start)| (end - start).num_seconds());
            let finished_at = at(finished_at).map_or_else(|| finished_at.clone(), super::shown);
            let built = Built { finished_at, seconds, rows: rows.clone() };
            past.built.insert(name.clone(), built);
        }
        for row in output::rows(house, CHECKED).await? {
            let mut row = row.into_iter();
            let Some(model) = row.next() else { continue };
            let mut next = || row.next().unwrap_or_default();
            let check = Checked {
                name: next(),
                severity: next(),
                status: next(),
                failed_rows: next(),
                of_rows: next(),
                at: next(),
            };
            past.checked.entry(model).or_default().push(check);
        }
        Ok(past)
    }

    /// A model's checks as `(name, status, failed rows, checked rows)`.
    #[cfg(test)]
    pub(super) fn of_checks(model: &str, checks: &[(&str, &str, &str, &str)]) -> Self {
        let checks = checks.iter().map(|(name, status, failed, of)| Checked {
            name: (*name).to_owned(),
            severity: "block".to_owned(),
            status: (*status).to_owned(),
            failed_rows: (*failed).to_owned(),
            of_rows: (*of).to_owned(),
            at: String::new(),
        });
        let checked = HashMap::from([(model.to_owned(), checks.collect())]);
        Self { checked, ..Self::default() }
    }

    pub(super) fn built(&self, model: &str) -> Option<&Built> {
        self.built.get(model)
    }

    pub(super) fn checked(&self, model: &str) -> &[Checked] {
        self.checked.get(model).map_or(&[], Vec::as_slice)
    }
}
