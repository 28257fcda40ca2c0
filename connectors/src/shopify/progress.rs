//! How far a stream has been read: the bookmark and the search text that follows from it.
//!
//! A walk asks for `updated_at` in a window, oldest change first. Its upper end is frozen when it
//! begins (the run's clock less [`LAG`]) and travels in the bookmark, so a page read again asks
//! for the same window: a record that changes meanwhile moves out of it and belongs to the next
//! night. What is kept for the next night is not that upper end but the newest `updatedAt` that
//! arrived: it is Shopify's clock, so a clock of ours that runs ahead loses nothing.
//!
//! Three things would still be lost, each has its own margin:
//! * ties at the seam, and children that Shopify writes after their parent (refunds, captures,
//!   journeys that become `ready` later): the next night starts [`Rules::overlap`] earlier;
//! * changes that do not move `updatedAt` at all (deliveries, metafields, unit costs): every
//!   [`DEEP_EVERY`] a walk goes back by [`Rules::deep`];
//! * the 25,000th object: Shopify ends a connection there, so a walk starts afresh from the
//!   newest `updatedAt` it saw once it passed [`RESTART_AFTER`].
//!
//! Rows read twice are dropped by the runner, since their hash is unchanged.

use chrono::{DateTime, Days, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Shopify's search index follows its data by seconds.
const LAG: TimeDelta = TimeDelta::minutes(2);
/// How often a walk goes back by [`Rules::deep`].
const DEEP_EVERY: TimeDelta = TimeDelta::hours(7 * 24 - 12); // a weekly run that starts early counts
/// Under the 25,000 objects at which Shopify ends a connection.
const RESTART_AFTER: u64 = 20_000;

/// How one stream is walked.
#[derive(Debug)]
pub(crate) struct Rules {
    /// How far a night goes back behind the newest change of the night before.
    pub overlap: TimeDelta,
    /// How far a deep walk goes back.
    pub deep: Deep,
    /// `updated_at` matches whole days: both ends are widened to midnight.
    pub whole_days: bool,
    /// Terms that stand before the window, with their `AND`.
    pub terms: &'static str,
}

/// How far a deep walk goes back.
#[derive(Debug)]
pub(crate) enum Deep {
    Never,
    Days(u64),
    Everything,
}

/// Orders: a day covers journeys and captures that come late; deliveries are told for weeks.
pub(crate) static ORDERS: Rules =
    Rules { overlap: TimeDelta::hours(24), deep: Deep::Days(60), whole_days: false, terms: "" };

/// Products: without the status filter Shopify may show the active ones only.
pub(crate) static PRODUCTS: Rules = Rules {
    overlap: TimeDelta::hours(1),
    deep: Deep::Everything,
    whole_days: false,
    terms: "status:active,draft,archived,unlisted",
};

/// Customers: Shopify documents that `updated_at` matches whole days here.
pub(crate) static CUSTOMERS: Rules =
    Rules { overlap: TimeDelta::hours(24), deep: Deep::Never, whole_days: true, terms: "" };

/// The bookmark of a walked stream.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    /// The newest `updatedAt` that arrived in a finished walk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<DateTime<Utc>>,
    /// When the last deep walk (the first one counts) began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deep_at: Option<DateTime<Utc>>,
    /// The walk under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub walk: Option<Walk>,
}

/// A walk under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Walk {
    /// When it began, by the run's clock.
    pub began_at: DateTime<Utc>,
    /// Lower end of the window, included; none on a first night without a start date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Upper end of the window, excluded.
    pub until: DateTime<Utc>,
    /// Shopify's cursor of the last node taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The newest `updatedAt` taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<DateTime<Utc>>,
    /// Nodes taken since the connection was opened.
    pub taken: u64,
    /// Nodes asked for in one call, smaller than usual once Shopify found a query too dear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u32>,
    /// Whether this walk goes deep.
    pub deep: bool,
}

impl Progress {
    /// The walk to go on with, or the one that tonight begins.
    pub(crate) fn walk(
        &self,
        rules: &Rules,
        start: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Walk {
        if let Some(walk) = &self.walk {
            return walk.clone();
        }
        let due = self.deep_at.is_none_or(|at| now - at >= DEEP_EVERY);
        let overlapped = self.newest.map(|newest| newest - rules.overlap);
        let (from, deep) = match (overlapped, &rules.deep) {
            (None, _) => (start, true),
            (Some(_), Deep::Everything) if due => (start, true),
            (Some(from), Deep::Days(days)) if due => (
                Some(
                    self.newest
                        .and_then(|at| at.checked_sub_days(Days::new(*days)))
                        .unwrap_or(from),
                ),
                true,
            ),
            (Some(from), _) => (Some(from), false),
        };
        Walk {
            began_at: now,
            from: from.max(start),
            until: now - LAG,
            after: None,
            newest: None,
            taken: 0,
            first: None,
            deep,
        }
    }

    /// After some nodes: where to go on.
    pub(crate) fn with(&self, walk: Walk) -> Self {
        Self { walk: Some(walk), ..self.clone() }
    }

    /// After the last node: where the next night starts.
    pub(crate) fn finished(&self, walk: &Walk) -> Self {
        Self {
            newest: self.newest.max(walk.newest),
            deep_at: if walk.deep { Some(walk.began_at) } else { self.deep_at },
            walk: None,
        }
    }
}

impl Walk {
    /// Shopify's search text for this window.
    pub(crate) fn search(&self, rules: &Rules) -> String {
        let mut terms: Vec<String> = Vec::new();
        if !rules.terms.is_empty() {
            terms.push(rules.terms.to_owned());
        }
        if let Some(from) = self.from {
            let from = if rules.whole_days { midnight(from) } else { from };
            terms.push(format!("updated_at:>='{}'", text(from)));
        }
        let until =
            if rules.whole_days { midnight(self.until) + TimeDelta::days(1) } else { self.until };
        terms.push(format!("updated_at:<'{}'", text(until)));
        terms.join(" AND ")
    }

    /// Takes note of nodes that arrived.
    pub(crate) fn take(
        &mut self,
        nodes: usize,
        newest: Option<DateTime<Utc>>,
        after: Option<String>,
    ) {
        self.taken += u64::try_from(nodes).unwrap_or(u64::MAX);
        self.newest = self.newest.max(newest);
        self.after = after;
    }

    /// Opens the connection anew before Shopify ends it, if the window can be narrowed at all:
    /// a crowd that shares one `updatedAt` has to be walked in one go.
    pub(crate) fn restart_if_long(&mut self, rules: &Rules) {
        if self.taken < RESTART_AFTER {
            return;
        }
        let grain =
            |at: Option<DateTime<Utc>>| if rules.whole_days { at.map(midnight) } else { at };
        if grain(self.newest) > grain(self.from) {
            self.from = self.newest;
            self.after = None;
            self.taken = 0;
        }
    }
}

fn midnight(at: DateTime<Utc>) -> DateTime<Utc> {
    at.date_naive().and_time(NaiveTime::MIN).and_utc()
}

fn text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_first_night_reads_from_the_start_up_to_a_frozen_end() {
        let progress = Progress::default();
        let walk = progress.walk(&ORDERS, None, at("2026-11-01T06:00:00Z"));
        assert_eq!(walk.search(&ORDERS), "updated_at:<'2026-11-01T05:58:00Z'");
        // Later pages ask for the same window, whatever the clock says.
        let later = progress.with(walk.clone()).walk(&ORDERS, None, at("2026-11-05T00:00:00Z"));
        assert_eq!(later, walk);
    }

    #[test]
    fn the_next_night_goes_back_behind_the_newest_change_that_arrived() {
        let progress = Progress::default();
        let mut walk = progress.walk(&ORDERS, None, at("2026-11-01T06:00:00Z"));
        walk.take(2, Some(at("2026-10-31T22:00:00Z")), None);
        let progress = progress.finished(&walk);
        let next = progress.walk(&ORDERS, None, at("2026-11-02T06:00:00Z"));
        assert_eq!(
            next.search(&ORDERS),
            "updated_at:>='2026-10-30T22:00:00Z' AND updated_at:<'2026-11-02T05:58:00Z'"
        );
        // A night without changes leaves the bookmark's instant where it was.
        assert_eq!(progress.finished(&next), progress);
    }

    #[test]
    fn once_a_week_a_walk_goes_deep() {
        let progress = Progress {
            newest: Some(at("2026-10-31T22:00:00Z")),
            deep_at: Some(at("2026-10-25T06:00:00Z")),
            walk: None,
        };
        let orders = progress.walk(&ORDERS, None, at("2026-11-01T06:00:00Z"));
        assert_eq!(orders.from, Some(at("2026-09-01T22:00:00Z")));
        let products = progress.walk(&PRODUCTS, None, at("2026-11-01T06:00:00Z"));
        assert_eq!(
            products.search(&PRODUCTS),
            "status:active,draft,archived,unlisted AND updated_at:<'2026-11-01T05:58:00Z'"
        );
        assert_eq!(progress.finished(&products).deep_at, Some(at("2026-11-01T06:00:00Z")));
    }

    #[test]
    fn customers_are_asked_for_by_whole_days() {
        let progress = Progress { newest: Some(at("2026-10-31T22:00:00Z")), ..Progress::default() };
        let walk = progress.walk(&CUSTOMERS, None, at("2026-11-01T06:00:00Z"));
        assert_eq!(
            walk.search(&CUSTOMERS),
            "updated_at:>='2026-10-30T00:00:00Z' AND updated_at:<'2026-11-02T00:00:00Z'"
        );
    }

    #[test]
    fn a_long_walk_starts_afresh_before_shopify_ends_it() {
        let mut walk = Progress::default().walk(&ORDERS, None, at("2026-11-01T06:00:00Z"));
        walk.take(20_000, Some(at("2026-02-01T00:00:00Z")), Some("cursor".to_owned()));
        walk.restart_if_long(&ORDERS);
        assert_eq!((walk.from, &walk.after, walk.taken), (walk.newest, &None, 0));
        // A crowd that shares one instant cannot be split: the walk goes on.
        walk.take(20_000, walk.newest, Some("cursor".to_owned()));
        walk.restart_if_long(&ORDERS);
        assert_eq!((walk.after.as_deref(), walk.taken), (Some("cursor"), 20_000));
    }
}
