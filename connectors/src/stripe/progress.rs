//! Where a Stripe list stands, though it is read from its newest end.
//!
//! ```text
//! created    since                      watermark                 top
//!  ───────────┼─────────────────────────────┼──────────────────────┼──▶
//!             ◀──────── LOOKBACK ───────────▶
//!             ◀──────────── one walk, newest first ────────────────┤
//! ```
//!
//! The first page of a walk fixes both ends: `top`, the newest `created` it shows, and `since`, the
//! old watermark less the lookback. Each page after it starts below the last id seen, so things
//! created meanwhile land above `top`, shift nothing, and belong to the next walk. Only when the
//! bottom is reached does `top` become the watermark; a walk that broke off goes on from its `after`
//! in whatever night comes next, with the same ends. If that night is a later one than the walk's,
//! the source asks for one more walk at once, so that nobody waits a day for what came in between.
//!
//! The watermark is Stripe's time, never ours, and never goes back. Things may become visible after
//! their `created`: that delay (ten minutes have been seen) is far inside the lookback.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How far below the watermark things are read again: refunds and pending balances settle within it.
pub(crate) const LOOKBACK: TimeDelta = TimeDelta::days(30);
/// A walk that ends this long after it began was taken up by another night.
const ONE_NIGHT: TimeDelta = TimeDelta::hours(6);

/// The bookmark.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// Everything created up to this second was read, by Stripe's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) watermark: Option<i64>,
    /// The walk under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) walk: Option<Walk>,
}

/// A walk down the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Walk {
    /// When it began, by the run's clock.
    pub(super) began_at: DateTime<Utc>,
    /// The first second that is read; none when everything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<i64>,
    /// The newest `created` of the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) top: Option<i64>,
    /// The id of the last thing read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
}

/// What a walk needs to know of a thing.
#[derive(Debug, Deserialize)]
pub(super) struct Glance {
    pub(super) id: String,
    pub(super) created: i64,
}

impl Progress {
    /// The walk under way, or a new one; `start` is the config's first second.
    pub(super) fn walk(&self, start: Option<i64>, now: DateTime<Utc>) -> Walk {
        self.walk.clone().unwrap_or_else(|| Walk {
            began_at: now,
            since: self.watermark.map(|mark| mark - LOOKBACK.num_seconds()).max(start),
            top: None,
            after: None,
        })
    }

    /// After a page that is not the last.
    pub(super) fn with(&self, walk: Walk) -> Self {
        Self { watermark: self.watermark, walk: Some(walk) }
    }

    /// After the last page.
    pub(super) fn finished(&self, walk: &Walk) -> Self {
        Self { watermark: self.watermark.max(walk.top), walk: None }
    }
}

impl Walk {
    /// Takes note of a page. The oldest thing on it is where the next one begins, wherever it
    /// stood: starting a little too high repeats things, too low would skip some.
    pub(super) fn pass(&mut self, page: Vec<Glance>) {
        if self.after.is_none() {
            self.top = page.iter().map(|thing| thing.created).max();
        }
        // Of things created in one second the last one shown is the lowest.
        if let Some(lowest) = page.into_iter().rev().min_by_key(|thing| thing.created) {
            self.after = Some(lowest.id);
        }
    }

    /// Whether it has not moved since the bookmark.
    pub(super) fn after_is(&self, progress: &Progress) -> bool {
        self.after == progress.walk.as_ref().and_then(|walk| walk.after.clone())
    }

    /// Whether an earlier night began it.
    pub(super) fn is_of_another_night(&self, now: DateTime<Utc>) -> bool {
        now - self.began_at > ONE_NIGHT
    }
}
