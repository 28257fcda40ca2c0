//! Days of insights: which are asked for, and the ad rows of each put into one record.

use std::collections::BTreeMap;

use chrono::{Days as Count, NaiveDate};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::streams::INSIGHTS;
use crate::{Reject, kit::decode::Decoder};

/// Days asked for in one call: a day of a small account is a handful of rows.
const DAYS: u16 = 7;
/// Rows asked for in one page, the most Meta returns.
const ROWS: u16 = 500;
/// Meta keeps 37 months; a start before that is refused.
const KEPT_DAYS: u64 = 1_123;

/// The bookmark.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// The last day that a finished night read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) through: Option<NaiveDate>,
    /// The night under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) walk: Option<Walk>,
}

/// A night under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Walk {
    /// The next day to ask for.
    pub(super) next: NaiveDate,
    /// The last one, which was today when the night began.
    pub(super) until: NaiveDate,
    /// Days in a call; fewer once Meta found them too many.
    pub(super) days: u16,
    /// Rows in a page, likewise.
    pub(super) limit: u16,
}

impl Progress {
    /// A new night.
    pub(super) fn begin(&self, start: NaiveDate, lookback_days: u16, today: NaiveDate) -> Walk {
        let lookback = Count::new(u64::from(lookback_days));
        let again = self.through.and_then(|day| day.min(today).checked_sub_days(lookback));
        let oldest = today.checked_sub_days(Count::new(KEPT_DAYS)).unwrap_or(start);
        Walk {
            next: again.unwrap_or(start).max(start).max(oldest),
            until: today,
            days: DAYS,
            limit: ROWS,
        }
    }
}

impl Walk {
    /// The last day of the next call.
    pub(super) fn last_of_call(&self) -> NaiveDate {
        let more = Count::new(u64::from(self.days.saturating_sub(1)));
        self.next.checked_add_days(more).unwrap_or(self.until).min(self.until)
    }

    /// Halves what is asked for; false when it cannot be less.
    pub(super) fn ask_for_less(&mut self) -> bool {
        let before = (self.days, self.limit);
        (self.days, self.limit) = ((self.days / 2).max(1), (self.limit / 2).max(1));
        before != (self.days, self.limit)
    }
}

/// The ad rows of a few days while their pages are read.
#[derive(Debug)]
pub(super) struct Days {
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    /// By day and ad: one that comes twice counts once, the later one.
    rows: BTreeMap<(NaiveDate, String), String>,
    /// Ad rows that did not fit.
    pub(super) rejects: Vec<Reject>,
}

/// What says where an ad row belongs.
#[derive(Deserialize)]
struct Glance {
    date_start: NaiveDate,
    ad_id: AdId,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AdId {
    Text(String),
    Number(u64),
}

impl Days {
    pub(super) fn new(first: NaiveDate, last: NaiveDate) -> Self {
        Self { first, last, rows: BTreeMap::new(), rejects: Vec::new() }
    }

    /// Takes a page's rows, each judged by itself: one that does not fit must not cost its day.
    pub(super) fn extend(&mut self, rows: &[&RawValue]) {
        for row in rows {
            let mut judge = Decoder::new(&INSIGHTS);
            if !judge.push(row.get(), &[]) {
                self.rejects.extend(judge.into_rejects());
                continue;
            }
            match serde_json::from_str::<Glance>(row.get()) {
                Ok(glance) if (self.first..=self.last).contains(&glance.date_start) => {
                    let ad = match glance.ad_id {
                        AdId::Text(id) => id,
                        AdId::Number(id) => id.to_string(),
                    };
                    self.rows.insert((glance.date_start, ad), row.get().to_owned());
                }
                _ => self.rejects.push(Reject {
                    record: row.get().to_owned(),
                    pointer: "/date_start".to_owned(),
                    reason: format!(
                        "not a day that was asked for ({} to {})",
                        self.first, self.last
                    ),
                }),
            }
        }
    }

    /// One record a day, days without a row included.
    pub(super) fn records(&self, account: &str) -> Vec<String> {
        let days = self.first.iter_days().take_while(|day| *day <= self.last);
        days.map(|day| {
            let mut record = format!(r#"{{"account_id":"{account}","date_start":"{day}","data":["#);
            let rows = self.rows.iter().filter(|((date, _), _)| *date == day);
            for (index, (_, row)) in rows.enumerate() {
                if index > 0 {
                    record.push(',');
                }
                record.push_str(row);
            }
            record.push_str("]}");
            record
        })
        .collect()
    }

    /// The day after the last.
    pub(super) fn after(&self) -> NaiveDate {
        self.last.succ_opt().unwrap_or(self.last)
    }
}
