//! Text to values: amounts, instants and days, exactly or not at all.

use chrono::NaiveDate;

/// An amount's text as an integer of `10^-scale`; `None` when it has more digits than that holds.
///
/// Trailing zeros behind the scale are no digits. An exponent is taken, as JSON allows one.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    // value * 10^exponent / 10^fraction, in units of 10^-scale.
    let shift =
        exponent.checked_add(i32::from(scale))?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    if value != 0 {
        if shift >= 0 {
            value = value.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?)?;
        } else {
            let unit = 10_i128.checked_pow(shift.unsigned_abs())?;
            if value % unit != 0 {
                return None;
            }
            value /= unit;
        }
    }
    (value < 10_i128.checked_pow(u32::from(precision))?).then_some(if negative {
        -value
    } else {
        value
    })
}

/// A whole number's text.
pub(super) fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// `YYYY-MM-DD` as days since 1970.
pub(super) fn date(text: &str) -> Option<i32> {
    (text.len() == 10).then_some(())?;
    i32::try_from(days(text)?).ok()
}

fn days(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<u32> {
        let part = text.get(from..to)?;
        part.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
        part.parse().ok()
    };
    let dashed = text.get(4..5)? == "-" && text.get(7..8)? == "-";
    let year = i32::try_from(number(0, 4)?).ok()?;
    let day = dashed.then(|| NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?))??;
    Some(day.signed_duration_since(NaiveDate::default()).num_days())
}

/// An instant with its offset as microseconds since 1970: `2026-10-01T08:09:41Z`,
/// `2026-10-01 08:09:41.25+02:00`, `2026-10-01T08:09:41-0500`.
pub(super) fn timestamp(text: &str) -> Option<i64> {
    let pair = |from: usize| -> Option<i64> {
        let part = text.get(from..from + 2)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let days = days(text.get(..10)?)?;
    matches!(text.get(10..11)?, "T" | "t" | " ").then_some(())?;
    (text.get(13..14)? == ":" && text.get(16..17)? == ":").then_some(())?;
    let (hour, minute, second) = (pair(11)?, pair(14)?, pair(17)?);
    // 60 is a leap second; it falls on the next minute.
    (hour < 24 && minute < 60 && second <= 60).then_some(())?;
    let rest = text.get(19..)?;
    let (micros, zone) = match rest.strip_prefix('.') {
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit())?;
            (micros(fraction.get(..end)?)?, fraction.get(end..)?)
        }
        None => (0, rest),
    };
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let sign = match zone.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let digits: String = zone.get(1..)?.chars().filter(|c| *c != ':').collect();
            (digits.len() == 4 && zone.len() <= 6).then_some(())?;
            let number: i64 = digits.parse().ok()?;
            sign * (number / 100 * 3600 + number % 100 * 60)
        }
    };
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(seconds * 1_000_000 + micros)
}

/// Digits behind the second; what is finer than a microsecond is cut off.
fn micros(digits: &str) -> Option<i64> {
    (!digits.is_empty()).then_some(())?;
    let mut value = 0;
    for place in 0..6 {
        let digit = digits.as_bytes().get(place).map_or(0, |b| i64::from(b - b'0'));
        value = value * 10 + digit;
    }
    Some(value)
}

/// Whole seconds since 1970 as microseconds.
pub(super) fn epoch_seconds(text: &str) -> Option<i64> {
    text.parse::<i64>().ok()?.checked_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, units) in [
            ("8.8", 88_000),
            ("-4.90", -49_000),
            ("0", 0),
            ("-0.00", 0),
            ("1.23450000", 12_345),
            ("1e2", 1_000_000),
            ("1.5E-3", 15),
            ("0e99", 0),
            ("99999999999999.9999", 999_999_999_999_999_999),
        ] {
            assert_eq!(decimal(text, 18, 4), Some(units), "{text}");
        }
        for text in [
            "",
            ".",
            "-",
            "1.00001",
            "100000000000000",
            "12,5",
            "1e99",
            "1e2147483647",
            "1e-2147483648",
            "NaN",
            "1.2.3",
            "٣",
        ] {
            assert_eq!(decimal(text, 18, 4), None, "{text}");
        }
    }

    #[test]
    fn instants_of_every_vendor_are_read() {
        let micros = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
        for (text, same) in [
            ("2026-09-05T18:09:41Z", "2026-09-05T18:09:41Z"),
            ("2017-04-18 13:24:28+00:00", "2017-04-18T13:24:28Z"),
            ("2026-09-05T18:09:41.5+02:00", "2026-09-05T16:09:41.5Z"),
            ("2026-09-05T18:09:41-0500", "2026-09-05T23:09:41Z"),
            ("1969-12-31T23:59:59.000001Z", "1969-12-31T23:59:59.000001Z"),
        ] {
            assert_eq!(timestamp(text), Some(micros(same)), "{text}");
        }
        for text in [
            "2026-09-05",
            "2026-09-05T18:09:41",
            "2026-13-05T18:09:41Z",
            "2026-09-05T25:00:00Z",
            "2026-09-05T18:09:41.Z",
            "2026-09-05T18:09:41+2",
            "é026-09-05T18:09:41Z",
            "",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_written_out_is_read_back(units in -999_999_999_999_999_999_i128..=999_999_999_999_999_999) {
            let sign = if units < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:04}", units.abs() / 10_000, units.abs() % 10_000);
            prop_assert_eq!(decimal(&text, 18, 4), Some(units));
        }

        #[test]
        fn an_instant_written_out_is_read_back(micros in -2_000_000_000_000_000_i64..=4_000_000_000_000_000) {
            let text = DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339();
            prop_assert_eq!(timestamp(&text), Some(micros));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = (timestamp(&text), date(&text), decimal(&text, 18, 4));
        }
    }
}
