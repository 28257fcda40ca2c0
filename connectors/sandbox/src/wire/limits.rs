//! Rate limits as the vendors keep them: a leaking bucket of points, and fixed windows of calls.
//!
//! Time is the machine's monotonic clock, since a client waits in real seconds; the world's
//! `as_of` has nothing to do with it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A bucket of points that fills again by the second.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Thousandths of a point.
    state: Mutex<(u64, Instant)>,
    size: u64,
    per_second: u64,
}

impl Bucket {
    pub(crate) fn new(size: u64, per_second: u64) -> Self {
        Self { state: Mutex::new((size * 1_000, Instant::now())), size, per_second }
    }

    /// Takes `points` if they are there; the points left either way.
    pub(crate) fn take(&self, points: u64) -> Result<u64, u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed = u64::try_from(now.duration_since(state.1).as_millis()).unwrap_or(0);
        if passed > 0 {
            *state = ((state.0 + passed * self.per_second).min(self.size * 1_000), now);
        }
        match state.0.checked_sub(points * 1_000) {
            Some(left) => {
                state.0 = left;
                Ok(left / 1_000)
            }
            None => Err(state.0 / 1_000),
        }
    }

    /// Puts back what was charged too much; the points left.
    pub(crate) fn give_back(&self, points: u64) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = (state.0 + points * 1_000).min(self.size * 1_000);
        state.0 / 1_000
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    pub(crate) const fn per_second(&self) -> u64 {
        self.per_second
    }
}

/// A window of calls: `most` in each `length`.
#[derive(Debug, Clone, Copy)]
struct Window {
    length: Duration,
    most: u32,
    start: Option<Instant>,
    used: u32,
}

/// Fixed windows, all of which must have room.
#[derive(Debug)]
pub(crate) struct Windows(Mutex<Vec<Window>>);

/// What is left of the longest window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Seconds until the window starts anew.
    pub(crate) reset: u64,
}

impl Windows {
    /// Pairs of (seconds, calls), shortest first.
    pub(crate) fn new(windows: &[(u64, u32)]) -> Self {
        let windows = windows.iter().map(|(seconds, most)| Window {
            length: Duration::from_secs(*seconds),
            most: *most,
            start: None,
            used: 0,
        });
        Self(Mutex::new(windows.collect()))
    }

    /// Counts a call, or tells after how many whole seconds to come again.
    pub(crate) fn enter(&self) -> Result<Room, u64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut wait = None;
        let mut room = Room { limit: 0, remaining: 0, reset: 0 };
        for window in windows.iter_mut() {
            if window.start.is_none_or(|start| now.duration_since(start) >= window.length) {
                window.start = Some(now);
                window.used = 0;
            }
            let passed = window.start.map_or(Duration::ZERO, |start| now.duration_since(start));
            let reset = window.length.saturating_sub(passed).as_millis().div_ceil(1_000);
            let reset = u64::try_from(reset).unwrap_or(1).max(1);
            if window.used >= window.most {
                wait = wait.max(Some(reset));
            }
            room = Room {
                limit: window.most,
                remaining: window.most.saturating_sub(window.used + 1),
                reset,
            };
        }
        if let Some(wait) = wait {
            return Err(wait);
        }
        windows.iter_mut().for_each(|window| window.used += 1);
        Ok(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refuses_what_it_does_not_hold() {
        let bucket = Bucket::new(100, 1);
        assert_eq!(bucket.take(60), Ok(40));
        assert_eq!(bucket.take(60), Err(40));
        assert_eq!(bucket.give_back(30), 70);
        assert_eq!(bucket.give_back(1_000), 100);
    }

    #[test]
    fn a_full_window_names_its_wait() {
        let windows = Windows::new(&[(1, 5), (60, 2)]);
        assert_eq!(windows.enter().map(|room| room.remaining), Ok(1));
        assert!(windows.enter().is_ok());
        assert!(windows.enter().is_err_and(|wait| (1..=60).contains(&wait)));
    }
}
