//! When orders come in: a closed form from counter to second, so that no list of times is kept.
//!
//! The curve is fixed by the orders up to the end of the history; days after it go on at the same pace, which
//! is what makes a later `as_of` the next night of the same shop.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::dice::{Dice, Purpose, index, signed};

/// 2024-11-01T06:00:00Z: the first second of the history.
pub(crate) const ORIGIN: i64 = 1_730_440_800;
/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;
/// Seconds of an hour.
pub(crate) const HOUR: i64 = 3_600;
/// Days of history: up to 2026-11-01T06:00:00Z.
const HISTORY_DAYS: usize = 730;
/// Days the curve reaches, history included.
const CURVE_DAYS: usize = 1_500;

/// How busy each hour after 06:00Z is, in the shop's evening-heavy day.
const HOURS: [u64; 24] = [4, 3, 2, 1, 1, 1, 1, 2, 3, 5, 6, 7, 7, 7, 6, 6, 6, 6, 7, 8, 9, 10, 9, 6];
/// Weekdays from the Friday of `ORIGIN`.
const WEEKDAYS: [u64; 7] = [105, 96, 112, 103, 95, 94, 98];
/// Thirty-day months from November: the year's gift season and its summer.
const SEASONS: [u64; 12] = [150, 165, 80, 88, 90, 92, 104, 98, 88, 92, 96, 120];

#[derive(Debug)]
pub(crate) struct Calendar {
    seed: u64,
    /// Index of the first order of each day.
    first: Vec<u64>,
}

impl Calendar {
    pub(crate) fn new(seed: u64, orders: u32) -> Self {
        let mut total: u128 = 0;
        let mut sums = Vec::with_capacity(CURVE_DAYS + 1);
        for day in 0..CURVE_DAYS {
            sums.push(total);
            let growth = 1_000 + day * 1_600 / HISTORY_DAYS;
            let weekday = WEEKDAYS.get(day % 7).copied().unwrap_or(100);
            let season = SEASONS.get((day % 365) / 31).copied().unwrap_or(100);
            let wiggle = 90 + Dice::new(seed, Purpose::Moment, 1 << 40 | day as u64).below(21);
            total += u128::try_from(growth).unwrap_or(1) * u128::from(weekday * season * wiggle);
        }
        sums.push(total);
        let whole = sums.get(HISTORY_DAYS).copied().unwrap_or(1).max(1);
        let first = sums
            .iter()
            .map(|sum| u64::try_from(sum * u128::from(orders) / whole).unwrap_or(u64::MAX))
            .collect();
        Self { seed, first }
    }

    /// The second order `i` was created; never falls as `i` grows.
    pub(crate) fn created_at(&self, i: u32) -> i64 {
        let i = u64::from(i);
        let day = self.first.partition_point(|first| *first <= i).saturating_sub(1);
        let start = self.first.get(day).copied().unwrap_or(0);
        let end = self.first.get(day + 1).copied().unwrap_or(start + 1);
        let jitter = Dice::new(self.seed, Purpose::Moment, i).below(1 << 32);
        let place = (u128::from(i - start) << 32) + u128::from(jitter);
        let share = place / u128::from((end - start).max(1));
        let total: u64 = HOURS.iter().sum();
        let mut left =
            u64::try_from((share * u128::from(total)).min(u128::from(u64::MAX))).unwrap_or(0);
        let mut second: u64 = 0;
        for weight in HOURS {
            let width = weight << 32;
            if left < width {
                second += left * 3_600 / width.max(1);
                break;
            }
            left -= width;
            second += 3_600;
        }
        ORIGIN + signed(day as u64) * DAY + signed(second.min(86_399))
    }

    /// How many orders were created up to `as_of`.
    pub(crate) fn count(&self, as_of: i64) -> u32 {
        let last = self.first.last().copied().unwrap_or(0).min(1 << 28);
        let (mut low, mut high) = (0_u32, u32::try_from(last).unwrap_or(1 << 28));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.created_at(middle) <= as_of {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// The date at `at` in `zone`.
pub(crate) fn local_date(at: i64, zone: Tz) -> NaiveDate {
    moment(at).with_timezone(&zone).date_naive()
}

/// Epoch seconds as a time.
pub(crate) fn moment(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap_or(DateTime::UNIX_EPOCH)
}

/// 2024-11-01, the first day of ads.
pub(crate) fn first_day() -> NaiveDate {
    moment(ORIGIN).date_naive()
}

/// Days from 2024-11-01 to `date`.
pub(crate) fn day_number(date: NaiveDate) -> i64 {
    date.signed_duration_since(first_day()).num_days()
}

/// The date `days` after 2024-11-01.
pub(crate) fn day_date(days: i64) -> NaiveDate {
    first_day() + chrono::TimeDelta::days(days.clamp(-100_000, 100_000))
}

/// Largest day number used by an `as_of` within the curve.
pub(crate) fn curve_days() -> usize {
    index(CURVE_DAYS as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_come_in_order_and_the_history_holds_all_of_them() {
        let calendar = Calendar::new(11, 5_000);
        let end = ORIGIN + 730 * DAY;
        assert_eq!(moment(end).to_rfc3339(), "2026-11-01T06:00:00+00:00");
        assert_eq!(calendar.count(end), 5_000);
        assert!(calendar.count(end + DAY) > 5_000);
        assert!(calendar.count(end - DAY) < 5_000);
        for i in 1..6_000 {
            assert!(calendar.created_at(i - 1) <= calendar.created_at(i), "order {i}");
        }
    }
}
