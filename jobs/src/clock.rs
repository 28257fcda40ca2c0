//! Time as a value: the system's clock, or one frozen by `--now`.
//!
//! Everything that a run writes is stamped by this clock, so a frozen run can be repeated exactly.
//! Only waiting and the job's lock go by the system's clock, whatever `--now` says.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

/// Where the present comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// Always this moment.
    Frozen(DateTime<Utc>),
}

impl Clock {
    /// The present, cut to microseconds, which is what tables hold.
    pub fn now(self) -> DateTime<Utc> {
        match self {
            Self::Frozen(at) => at,
            Self::System => {
                #[expect(clippy::disallowed_methods, reason = "this is the clock that is passed")]
                let now = Utc::now();
                DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
            }
        }
    }

    /// Whether `--now` was given.
    pub fn is_frozen(self) -> bool {
        matches!(self, Self::Frozen(_))
    }
}

/// Reads a moment: RFC 3339, or a day, which means its midnight in UTC.
///
/// # Errors
/// A phrase that says what is understood.
pub fn parse_moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    Err("expected a moment such as `2026-11-01T06:00:00Z` or a day such as `2026-11-01`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_stands_still_and_a_day_is_its_midnight() {
        let at = parse_moment("2026-11-01T08:00:00+02:00").unwrap();
        assert_eq!(Clock::Frozen(at).now().to_rfc3339(), "2026-11-01T06:00:00+00:00");
        assert_eq!(parse_moment("2026-11-01").unwrap().to_rfc3339(), "2026-11-01T00:00:00+00:00");
        assert!(parse_moment("tomorrow").is_err());
        assert!(Clock::System.now() > at - chrono::TimeDelta::days(3650));
    }
}
