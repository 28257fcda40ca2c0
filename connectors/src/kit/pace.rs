//! How fast calls go out, and how long to wait before one is made again.
//!
//! In tests nobody waits: what would have been waited is written down and can be asked for.

use std::{num::NonZeroU32, time::Duration};

use governor::Quota;
use rand::Rng;
#[cfg(not(test))]
use tokio::time::sleep;

/// How often and how patiently a call is tried again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Tries in all.
    pub tries: u32,
    /// Upper end of the first wait; it doubles from try to try.
    pub first_wait: Duration,
    /// No wait is longer, a `Retry-After` excepted.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 6,
            first_wait: Duration::from_millis(300),
            longest_wait: Duration::from_secs(30),
        }
    }
}

/// So many calls in a time.
#[derive(Debug, Clone, Copy)]
pub struct Bucket(Quota);

impl Bucket {
    /// `calls` in any second.
    pub fn per_second(calls: u32) -> Self {
        Self::per(Duration::from_secs(1), calls)
    }

    /// `calls` in any minute.
    pub fn per_minute(calls: u32) -> Self {
        Self::per(Duration::from_mins(1), calls)
    }

    pub(super) fn quota(self) -> Quota {
        self.0
    }

    /// Vendors count in windows whose start nobody knows, so what may go at once is a sixth and the
    /// rest is spread: no window of that length ever holds more.
    fn per(window: Duration, calls: u32) -> Self {
        let burst = (calls / 6).max(1);
        let spread = nonzero(calls.saturating_sub(burst));
        let interval = window / spread.get();
        let quota = Quota::with_period(interval).unwrap_or_else(|| Quota::per_second(spread));
        Self(quota.allow_burst(nonzero(burst)))
    }
}

fn nonzero(calls: u32) -> NonZeroU32 {
    NonZeroU32::new(calls).unwrap_or(NonZeroU32::MIN)
}

impl RetryPolicy {
    /// Full jitter: anything up to the exponential bound, so that many clients do not return as one.
    pub(super) fn jittered(&self, tried: u32) -> Duration {
        let factor = 2_u32.saturating_pow(tried.saturating_sub(1).min(16));
        let bound = self.first_wait.saturating_mul(factor).min(self.longest_wait);
        let millis = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(rand::rng().random_range(0..=millis))
    }
}

#[cfg(not(test))]
pub(super) async fn pause(wait: Duration) {
    sleep(wait).await;
}

/// In tests a wait is written down and not waited for.
#[cfg(test)]
pub(super) async fn pause(wait: Duration) {
    waits::note(wait);
    tokio::task::yield_now().await;
}

/// The waits of this test, in order.
#[cfg(test)]
pub(crate) mod waits {
    use std::{cell::RefCell, time::Duration};

    thread_local!(static WAITS: RefCell<Vec<Duration>> = const { RefCell::new(Vec::new()) });

    pub(super) fn note(wait: Duration) {
        WAITS.with_borrow_mut(|waits| waits.push(wait));
    }

    /// Takes what was noted since the last time.
    pub(crate) fn take() -> Vec<Duration> {
        WAITS.with_borrow_mut(std::mem::take)
    }
}
