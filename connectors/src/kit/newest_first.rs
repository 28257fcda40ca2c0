//! Reading a list that can only be paged newest first and tells no change date.
//!
//! Printify and Printful list orders that way: no filter by date, no `updated` to ask for, and an
//! order changes for weeks (production, shipping, delivery, reprints). Every night therefore reads
//! the list from its head down to a floor, [`WINDOW`] before the night before began, and fetches
//! by id the few orders that are older and still open. The window covers the many, the list of
//! ids covers the stragglers, and the two meet without a gap: an order that is below the next
//! floor when a night begins is either settled or on the list that this night leaves behind.
//!
//! The list moves while it is read. New orders at its head push the rest to later pages, so some
//! are seen twice, never skipped; their hash is unchanged and the runner drops them. New orders
//! themselves lie above the next floor. A position from an old bookmark points at rows that were
//! read already, for the same reason, so a walk can be taken up again at any later time.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How far back the list is read every night.
pub(crate) const WINDOW: TimeDelta = TimeDelta::days(45);
/// An order that ended may still get a delivery date or a link to its reprint.
const SETTLES_AFTER: TimeDelta = TimeDelta::days(30);
/// An order that never ended by then never will: drafts and orders on hold are left behind.
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(365);

/// What a finished sweep leaves for the next night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// When the sweep began, by the run's clock.
    pub began_at: DateTime<Utc>,
    /// Orders below the next floor that may still change.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub open: BTreeSet<String>,
}

/// A night's reading of one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sweep {
    /// When it began, by the run's clock.
    pub began_at: DateTime<Utc>,
    /// Orders created before this are not looked for in the list; none on a first night.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<DateTime<Utc>>,
    /// The next page or offset.
    pub position: u64,
    /// Whether the list has been read to its floor.
    pub listed: bool,
    /// Older orders to fetch by id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub refetch: BTreeSet<String>,
    /// Orders for the next night to fetch by id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub open: BTreeSet<String>,
}

/// Whether an order may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It may.
    Open,
    /// It ended then (if the vendor tells), and settles some weeks later.
    Ended(Option<DateTime<Utc>>),
    /// It will not.
    Settled,
}

impl Sweep {
    /// Begins a night; `position` is where the vendor starts to count.
    pub(crate) fn begin(
        previous: Option<&Mark>,
        start: Option<DateTime<Utc>>,
        position: u64,
        now: DateTime<Utc>,
    ) -> Self {
        let floor = previous.map(|mark| mark.began_at - WINDOW);
        Self {
            began_at: now,
            floor: floor.max(start),
            position,
            listed: false,
            refetch: previous.map(|mark| mark.open.clone()).unwrap_or_default(),
            open: BTreeSet::new(),
        }
    }

    /// Takes note of an order: if the next night will not meet it in the list, will it be asked
    /// for by id?
    pub(crate) fn note(&mut self, id: &str, created_at: DateTime<Utc>, life: Life) {
        let may_change = match life {
            Life::Open => true,
            Life::Ended(at) => at.unwrap_or(created_at) >= self.began_at - SETTLES_AFTER,
            Life::Settled => false,
        };
        let is_below_next_floor = created_at < self.began_at - WINDOW;
        let is_young = created_at >= self.began_at - GIVEN_UP_AFTER;
        if may_change && is_below_next_floor && is_young {
            self.open.insert(id.to_owned());
        }
    }

    /// Whether a page whose newest order was created then lies below the floor as a whole.
    pub(crate) fn is_past(&self, newest_of_page: Option<DateTime<Utc>>) -> bool {
        self.floor.is_some_and(|floor| newest_of_page.is_some_and(|newest| newest < floor))
    }

    /// Takes up to `count` orders to fetch by id.
    pub(crate) fn take_refetch(&mut self, count: usize) -> Vec<String> {
        let taken: Vec<String> = self.refetch.iter().take(count).cloned().collect();
        for id in &taken {
            self.refetch.remove(id);
        }
        taken
    }

    /// Whether nothing is left to read.
    pub(crate) fn is_done(&self) -> bool {
        self.listed && self.refetch.is_empty()
    }

    /// What the next night needs to know.
    pub(crate) fn finish(self) -> Mark {
        Mark { began_at: self.began_at, open: self.open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_first_night_reads_the_whole_list() {
        let sweep = Sweep::begin(None, None, 1, at("2026-11-01T06:00:00Z"));
        assert_eq!(sweep.floor, None);
        assert!(!sweep.is_past(Some(at("2000-01-01T00:00:00Z"))));
    }

    #[test]
    fn whatever_falls_below_the_next_floor_while_open_is_fetched_by_id() {
        let first = at("2026-11-01T06:00:00Z");
        let mut sweep = Sweep::begin(None, None, 1, first);
        let mut created = first - TimeDelta::days(400);
        let mut young_open = 0;
        while created < first {
            let id = created.timestamp().to_string();
            sweep.note(&id, created, Life::Open);
            young_open += usize::from(created >= first - GIVEN_UP_AFTER);
            created += TimeDelta::days(1);
        }
        let mark = sweep.finish();
        // However late the next night is, list and ids meet at the same floor.
        let late = Sweep::begin(Some(&mark), None, 1, first + TimeDelta::days(90));
        let floor = late.floor.unwrap();
        assert_eq!(floor, first - WINDOW);
        let covered = (0..45).filter(|day| first - TimeDelta::days(*day) >= floor).count();
        assert_eq!(late.refetch.len() + covered, young_open);
        assert!(late.refetch.iter().all(|id| id.parse::<i64>().unwrap() < floor.timestamp()));
    }

    #[test]
    fn an_ended_order_is_asked_for_until_it_settles() {
        let now = at("2026-11-01T06:00:00Z");
        let created = now - TimeDelta::days(60);
        let mut sweep = Sweep::begin(None, None, 0, now);
        sweep.note("late", created, Life::Ended(Some(now - TimeDelta::days(29))));
        sweep.note("settled", created, Life::Ended(Some(now - TimeDelta::days(31))));
        sweep.note("canceled", created, Life::Settled);
        assert_eq!(sweep.finish().open, BTreeSet::from(["late".to_owned()]));
    }

    #[test]
    fn ids_are_taken_in_handfuls_until_none_is_left() {
        let now = at("2026-11-01T06:00:00Z");
        let open = ["1", "2", "3"].map(str::to_owned).into();
        let mark = Mark { began_at: now, open };
        let mut sweep = Sweep::begin(Some(&mark), None, 0, now);
        sweep.listed = true;
        assert_eq!(sweep.take_refetch(2), ["1", "2"]);
        assert!(!sweep.is_done());
        assert_eq!(sweep.take_refetch(2), ["3"]);
        assert!(sweep.is_done());
    }
}
