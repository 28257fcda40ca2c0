//! When a job runs: five cron fields in an IANA zone.
//!
//! The `cron` crate wants six fields and counts Sunday as 1, so the seconds are prepended and
//! weekdays must be names. It knows nothing of clocks that change: times are sought on the wall
//! clock and then placed in the zone. A time that the clock skips happens at the end of the gap; a
//! time that comes twice happens once. Schedules that run every hour go by elapsed time instead:
//! both of the doubled hours count, and the skipped one does not.

use std::str::FromStr;

use chrono::{DateTime, Duration, LocalResult, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;

/// The longest that clocks were ever moved at once, with room.
const SHIFT: Duration = Duration::hours(3);

/// A parsed schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    zone: Tz,
    times: cron::Schedule,
    is_hourly: bool,
}

impl Schedule {
    /// Reads `minute hour day month weekday`.
    ///
    /// # Errors
    /// A phrase that says what is wrong.
    pub fn parse(text: &str, zone: Tz) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [_, hour, day, _, weekday] = fields.as_slice() else {
            return Err(format!(
                "`{text}` has {} fields; a schedule has five: minute hour day month weekday",
                fields.len()
            ));
        };
        if weekday.chars().any(|c| c.is_ascii_digit()) {
            return Err(format!(
                "`{weekday}` is a weekday by number; write its name, such as `mon`"
            ));
        }
        let is_free = |field: &str| field == "*" || field == "?";
        if !is_free(day) && !is_free(weekday) {
            return Err("a schedule names days of the month or weekdays, not both".to_owned());
        }
        let times = cron::Schedule::from_str(&format!("0 {text}"))
            .map_err(|_| format!("`{text}` is no schedule; five fields such as `15 3 * * *`"))?;
        Ok(Self { text: text.to_owned(), zone, times, is_hourly: hour.starts_with('*') })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The zone it is read in.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The first time after `after`; `None` when there is none, such as on a 30 February.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let wall = after.with_timezone(&self.zone).naive_local();
        let mut found: Option<(DateTime<Utc>, NaiveDateTime)> = None;
        for time in self.times.after(&(wall - SHIFT).and_utc()) {
            let time = time.naive_utc();
            // Wall clocks and instants do not always go the same way; look a little further.
            if found.is_some_and(|(_, first)| time > first + SHIFT) {
                break;
            }
            for at in self.instants(time).into_iter().flatten().filter(|at| *at > after) {
                if found.is_none_or(|(best, _)| at < best) {
                    found = Some((at, found.map_or(time, |(_, first)| first)));
                }
            }
        }
        found.map(|(at, _)| at)
    }

    /// The instants at which the wall clock shows `time` for this schedule.
    fn instants(&self, time: NaiveDateTime) -> [Option<DateTime<Utc>>; 2] {
        match self.zone.from_local_datetime(&time) {
            LocalResult::Single(at) => [Some(at.to_utc()), None],
            LocalResult::Ambiguous(first, second) if self.is_hourly => {
                [Some(first.to_utc()), Some(second.to_utc())]
            }
            LocalResult::Ambiguous(first, _) => [Some(first.to_utc()), None],
            LocalResult::None if self.is_hourly => [None, None],
            LocalResult::None => [self.end_of_gap(time), None],
        }
    }

    fn end_of_gap(&self, time: NaiveDateTime) -> Option<DateTime<Utc>> {
        let minutes = SHIFT.num_minutes();
        (1..=minutes)
            .find_map(|minute| {
                self.zone.from_local_datetime(&(time + Duration::minutes(minute))).earliest()
            })
            .map(|at| at.to_utc())
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::America::Los_Angeles;

    use super::*;

    fn times(text: &str, zone: Tz, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(text, zone).unwrap();
        let mut at: DateTime<Utc> = from.parse().unwrap();
        (0..count)
            .map(|_| {
                at = schedule.next_after(at).unwrap();
                at.format("%m-%dT%H:%M").to_string()
            })
            .collect()
    }

    #[test]
    fn a_nightly_time_follows_the_zone_over_the_change_of_clocks() {
        let from = "2026-03-07T00:00:00Z";
        assert_eq!(
            times("15 3 * * *", Los_Angeles, from, 3),
            ["03-07T11:15", "03-08T10:15", "03-09T10:15"]
        );
    }

    #[test]
    fn a_time_in_the_gap_happens_once_at_its_end() {
        // 2026-03-08 02:00 becomes 03:00 in Los Angeles.
        assert_eq!(
            times("30 2 * * *", Los_Angeles, "2026-03-07T20:00:00Z", 2),
            ["03-08T10:00", "03-09T09:30"]
        );
    }

    #[test]
    fn a_time_that_comes_twice_happens_once_unless_it_is_hourly() {
        // 2026-11-01 02:00 becomes 01:00 in Los Angeles.
        assert_eq!(
            times("30 1 * * *", Los_Angeles, "2026-11-01T00:00:00Z", 2),
            ["11-01T08:30", "11-02T09:30"]
        );
        assert_eq!(
            times("7 * * * *", Los_Angeles, "2026-11-01T07:30:00Z", 4),
            ["11-01T08:07", "11-01T09:07", "11-01T10:07", "11-01T11:07"]
        );
        assert_eq!(
            times("7 * * * *", Los_Angeles, "2026-03-08T08:30:00Z", 3),
            ["03-08T09:07", "03-08T10:07", "03-08T11:07"]
        );
    }

    #[test]
    fn weekdays_are_names() {
        // 2026-11-02 is a Monday.
        assert_eq!(
            times("0 6 * * mon-fri", Tz::UTC, "2026-10-30T12:00:00Z", 2),
            ["11-02T06:00", "11-03T06:00"]
        );
        for (text, wrong) in [
            ("0 6 * * 1", "by number"),
            ("0 6 1 * mon", "not both"),
            ("0 6 * *", "4 fields"),
            ("61 6 * * *", "no schedule"),
        ] {
            assert!(Schedule::parse(text, Tz::UTC).unwrap_err().contains(wrong), "{text}");
        }
        assert!(
            Schedule::parse("0 0 30 2 *", Tz::UTC)
                .unwrap()
                .next_after(Utc.timestamp_nanos(0))
                .is_none()
        );
    }
}
