//! Quantities as people write them: `45m`, `1GB`; and as people read them: `12,345`, `1.5 s`.
//!
//! A unit is always needed: `timeout = 45` leaves open what 45 is.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// A span of time with a unit in the file: `30s`, `45m`, `2h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration(&text).map(Self).map_err(de::Error::custom)
    }
}

/// Reads `30s`, `45m`, `2h`, `7d` or `250ms`.
///
/// # Errors
/// A phrase that names the text and the units.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let wrong = || format!("`{text}` is no duration; write a number and a unit, such as `45m`");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => return Ok(Duration::from_millis(number)),
        "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3_600),
        "d" => number.checked_mul(86_400),
        _ => None,
    };
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// Reads `512MB`, `2GB`, `1GiB`; a unit of a thousand and one of 1,024 mean the same (1,024), as
/// memory is sold.
///
/// # Errors
/// A phrase that names the text and the units.
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let wrong = || format!("`{text}` is no size; write a number and a unit, such as `2GB`");
    let number: usize = number.parse().map_err(|_| wrong())?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "kb" | "kib" | "k" => 10,
        "mb" | "mib" | "m" => 20,
        "gb" | "gib" | "g" => 30,
        _ => return Err(wrong()),
    };
    let bytes = number.checked_mul(1 << shift).ok_or_else(wrong)?;
    if bytes < 64 << 20 {
        return Err(format!("`{text}` is too little; the engine needs 64MB at least"));
    }
    Ok(bytes)
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

/// `12,345`.
#[derive(Debug, Clone, Copy)]
pub struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() + digits.len() / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad_integral(true, "", &text)
    }
}

/// `1 row`, `2 rows`.
pub fn counted(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {one}{plural}", Grouped(count))
}

/// `0.8 s`, `12.3 s`, `4 min 05 s`.
pub fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        return format!("{seconds}.{} s", duration.subsec_millis() / 100);
    }
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

/// `34 MB`, by 1,024.
pub fn shown_bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} kB", bytes.div_ceil(1_024)),
        _ => format!("{} MB", Grouped(bytes >> 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_need_a_unit() {
        assert_eq!(parse_duration("45m").unwrap(), Duration::from_mins(45));
        assert_eq!(parse_duration("7d").unwrap(), Duration::from_hours(168));
        assert_eq!(parse_bytes("2GB").unwrap(), 2 << 30);
        assert_eq!(parse_bytes("512 MiB").unwrap(), 512 << 20);
        for wrong in ["", "45", "m", "4 weeks", "-3s", "99999999999999999999d"] {
            assert!(parse_duration(wrong).unwrap_err().contains(wrong), "{wrong}");
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
        assert!(parse_bytes("1MB").unwrap_err().contains("too little"));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown: Vec<String> =
            [0, 999, 1_000, 1_234_567].iter().map(|n| Grouped(*n).to_string()).collect();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(format!("{:>7}", Grouped(1_000)), "  1,000");
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(2_000, "row"), "2,000 rows");
        assert_eq!(super::shown(Duration::from_millis(12_345)), "12.3 s");
        assert_eq!(super::shown(Duration::from_secs(245)), "4 min 05 s");
    }
}
