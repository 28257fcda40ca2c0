//! Backfills: models computed anew month by month, which can be cut off anywhere and gone on with.
//!
//! What is done is written down after every month, in one object of the environment; the release
//! that readers see stays until the last model is through, so a backfill is whole or not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, NaiveDate};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::calendar::Calendar;
use crate::environment::Environment;
use crate::model::definition::Model;
use crate::model::header::Kind;
use crate::release::{Basis, TableAt};
use crate::{Error, Result, Warehouse};

/// A calendar month; written `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    year: i32,
    month: u32,
}

impl Month {
    /// The month that a day is in.
    pub(super) fn of(day: NaiveDate) -> Self {
        Self { year: day.year(), month: day.month() }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = if text.len() > 7 { text.to_owned() } else { format!("{text}-01") };
        NaiveDate::parse_from_str(&day, "%Y-%m-%d")
            .map(Self::of)
            .map_err(|_| format!("`{text}` is no month; write it as 2026-11"))
    }
}

impl TryFrom<String> for Month {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

/// What to compute anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backfill {
    /// These months, both included; through the newest without the second.
    Months(Month, Option<Month>),
    /// What an earlier one left undone.
    Resume,
    /// The same as [`Backfill::Months`], and what an earlier one did is forgotten.
    Afresh(Month, Option<Month>),
}

/// How far it is, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) from: Month,
    pub(super) to: Month,
    /// The selected models.
    pub(super) select: Vec<String>,
    /// The release that it builds upon.
    release: Option<u64>,
    /// Selected model -> digest of its plan, its header and the engine: months of two of them do
    /// not make one table.
    digests: BTreeMap<String, String>,
    /// Raw tables as they stood when it began, which is what it reads.
    pub(super) raw: BTreeMap<String, TableAt>,
    models: BTreeMap<String, Reached>,
}

/// How far one model is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reached {
    pub(super) months: BTreeSet<Month>,
    /// Its table now.
    pub(super) at: Option<TableAt>,
    /// Digest of that table's rows, where it is known.
    pub(super) rows: Option<String>,
    /// What the table is computed from, once all months are through.
    pub(super) basis: Option<Basis>,
}

/// A backfill under way.
#[derive(Debug)]
pub(super) struct Progress {
    warehouse: Warehouse,
    path: Path,
    /// How far each model was when it began. The scheduler asks here and not below: it would wait
    /// for a lock while it does not poll the models that hold it.
    before: BTreeMap<String, Reached>,
    state: Mutex<State>,
    calendars: Vec<Calendar>,
}

/// What a backfill begins with.
pub(super) struct Start<'a> {
    pub(super) environment: &'a Environment,
    pub(super) select: &'a [String],
    pub(super) release: Option<u64>,
    /// Selected model -> digest of its plan, its header and the engine.
    pub(super) models: &'a BTreeMap<String, String>,
    pub(super) raw: &'a BTreeMap<String, TableAt>,
    pub(super) calendars: Vec<Calendar>,
}

fn path(environment: &Environment) -> Path {
    Path::from_iter(["_inkhouse", "backfills", &format!("{}.json", environment.name())])
}

impl Warehouse {
    /// What an earlier backfill of an environment left undone.
    pub(super) async fn unfinished(&self, environment: &Environment) -> Result<Option<State>> {
        let path = path(environment);
        let failed = || Error::storage(format!("reading `{path}`"));
        let bytes = match self.store().objects().get(&path).await {
            Ok(object) => object.bytes().await.map_err(failed())?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed()(error)),
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Error::Damaged { path: path.to_string(), reason: error.to_string() })
    }
}

impl Progress {
    /// Begins, or goes on with what an earlier one left undone.
    ///
    /// Fails with [`Error::Backfill`] when there is nothing to go on with, when what is left undone
    /// does not fit how things are now, and when there is something that nobody asked to forget.
    pub(super) async fn begin(
        warehouse: &Warehouse,
        backfill: &Backfill,
        start: Start<'_>,
    ) -> Result<Self> {
        let unfinished = warehouse.unfinished(start.environment).await?;
        let state = match (backfill, unfinished) {
            (Backfill::Resume, None) => {
                return Err(refused("no backfill was cut off", "begin one with `--from`"));
            }
            (Backfill::Resume, Some(state)) => state.fits(&start)?,
            (Backfill::Months(..), Some(state)) => {
                let what = format!("a backfill from {} to {} was cut off", state.from, state.to);
                return Err(refused(what, "`--resume` goes on with it, `--afresh` forgets it"));
            }
            (Backfill::Months(from, to) | Backfill::Afresh(from, to), _) => {
                State::new(*from, *to, &start)?
            }
        };
        let path = path(start.environment);
        let range = state.from..=state.to;
        let calendars =
            start.calendars.into_iter().map(|calendar| calendar.within(&range)).collect();
        let (warehouse, before) = (warehouse.clone(), state.models.clone());
        let this = Self { warehouse, path, before, state: Mutex::new(state), calendars };
        let mode = match backfill {
            Backfill::Months(..) => PutMode::Create,
            Backfill::Resume | Backfill::Afresh(..) => PutMode::Overwrite,
        };
        this.write(mode).await?;
        Ok(this)
    }

    /// The months by whose keys a model is built; `None` when it is built as always.
    pub(super) fn calendar(&self, model: &Model) -> Option<&Calendar> {
        let header = &model.header;
        let merge = header.kind == Kind::Merge;
        self.calendars.iter().find(|calendar| merge && calendar.key == header.changed_by)
    }

    /// How far a model was when the backfill was gone on with.
    pub(super) fn reached_before(&self, model: &str) -> Option<&Reached> {
        self.before.get(model)
    }

    /// How far a model is.
    pub(super) async fn reached(&self, model: &str) -> Reached {
        self.state.lock().await.models.get(model).cloned().unwrap_or_default()
    }

    /// Writes down how far a model is.
    pub(super) async fn reach(&self, model: &str, reached: Reached) -> Result<()> {
        self.state.lock().await.models.insert(model.to_owned(), reached);
        self.write(PutMode::Overwrite).await
    }

    /// The raw tables as they stood when it began.
    pub(super) async fn raw(&self) -> BTreeMap<String, TableAt> {
        self.state.lock().await.raw.clone()
    }

    /// It is through, and what it did is published or was nothing.
    pub(super) async fn end(&self) -> Result<()> {
        match self.warehouse.store().objects().delete(&self.path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::storage(format!("deleting `{}`", self.path))(error)),
        }
    }

    async fn write(&self, mode: PutMode) -> Result<()> {
        // Held while it is written, so that an older state never comes after a newer one.
        let state = self.state.lock().await;
        let bytes = serde_json::to_vec(&*state).map_err(|error| Error::Damaged {
            path: self.path.to_string(),
            reason: error.to_string(),
        })?;
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.warehouse.store().objects().put_opts(&self.path, bytes.into(), options).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => {
                Err(refused("another backfill began", "wait for it, or forget it by `--afresh`"))
            }
            Err(error) => Err(Error::storage(format!("writing `{}`", self.path))(error)),
        }
    }
}

impl State {
    fn new(from: Month, to: Option<Month>, start: &Start<'_>) -> Result<Self> {
        if start.calendars.is_empty() {
            let hint = "a model is dated by one with `dated_by` and the same `changed_by`";
            return Err(refused("no selected model is dated", hint));
        }
        let known = || start.calendars.iter().flat_map(Calendar::months);
        let (Some(first), Some(last)) = (known().min(), known().max()) else {
            return Err(refused("no order has a date yet", "build everything first"));
        };
        let to = to.unwrap_or(last);
        if from > to {
            return Err(refused(format!("{from} is after {to}"), "`--from` is the earlier month"));
        }
        if !known().any(|month| (from..=to).contains(&month)) {
            let hint = format!("the orders are from {first} to {last}");
            return Err(refused(format!("no order is from {from} to {to}"), &hint));
        }
        Ok(Self {
            from,
            to,
            select: start.select.to_vec(),
            release: start.release,
            digests: start.models.clone(),
            raw: start.raw.clone(),
            models: BTreeMap::new(),
        })
    }

    /// Whether what it stands upon is still there.
    fn fits(self, start: &Start<'_>) -> Result<Self> {
        const HINT: &str = "begin again with `--from` and `--afresh`";
        if self.release != start.release {
            return Err(refused("a release was published since the backfill was cut off", HINT));
        }
        if !start.select.is_empty() && *start.select != self.select {
            let what = format!("the backfill that was cut off is of `{}`", self.select.join(" "));
            return Err(refused(what, "give no models, or begin again with `--afresh`"));
        }
        let edited = self.digests.iter().find(|(name, is)| start.models.get(*name) != Some(is));
        if let Some((name, _)) = edited {
            let what = format!("`{name}` or Inkhouse is another since the backfill was cut off");
            return Err(refused(what, HINT));
        }
        Ok(self)
    }
}

pub(super) fn refused(what: impl Into<String>, hint: &str) -> Error {
    Error::Backfill { what: what.into(), hint: hint.to_owned() }
}

#[cfg(test)]
mod tests;
