//! Writing JSON by hand: text is appended straight to the answer, no tree is built in between.
//!
//! Money stays integer cents up to here; this is where each vendor's spelling of it is made.

use std::fmt::Write;

use chrono::{DateTime, Datelike, Timelike, Utc};

/// Appends `text` quoted and escaped.
pub(crate) fn text(out: &mut String, text: &str) {
    out.push('"');
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push_str(text);
    } else {
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c < ' ' => push(out, format_args!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
    }
    out.push('"');
}

/// Appends formatted text; a `String` takes everything.
pub(crate) fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    let done = out.write_fmt(arguments);
    debug_assert!(done.is_ok(), "a String never refuses text");
}

/// Cents as a decimal with two digits: `8.80`.
pub(crate) fn two_digits(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// Cents as a decimal whose trailing zeros are cut, one digit kept: `8.8`, `35.0`, `12.34`.
pub(crate) fn trimmed(out: &mut String, cents: i64) {
    if cents < 0 {
        out.push('-');
    }
    let (whole, rest) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    if rest.is_multiple_of(10) {
        push(out, format_args!("{whole}.{}", rest / 10));
    } else {
        push(out, format_args!("{whole}.{rest:02}"));
    }
}

/// Millionths as a decimal without trailing zeros: 72,500 is `0.0725`, 0 is `0.0`.
pub(crate) fn millionths(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let (whole, rest) = (value.unsigned_abs() / 1_000_000, value.unsigned_abs() % 1_000_000);
    let digits = format!("{rest:06}");
    let digits = digits.trim_end_matches('0');
    format!("{sign}{whole}.{}", if digits.is_empty() { "0" } else { digits })
}

/// `2026-09-05T18:09:41Z`.
pub(crate) fn iso(at: i64) -> String {
    let at = moment(at);
    let (date, hour, minute, second) = (at.date_naive(), at.hour(), at.minute(), at.second());
    let (year, month, day) = (date.year(), date.month(), date.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-09-05 18:09:41+00:00`.
pub(crate) fn spaced(at: i64) -> String {
    iso(at).replace('T', " ").replace('Z', "+00:00")
}

/// Epoch seconds as a time.
pub(crate) fn moment(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap_or(DateTime::UNIX_EPOCH)
}

/// A JSON object being written; closed when dropped.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    out: &'a mut String,
    started: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn new(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, started: false }
    }

    /// Writes the key; the caller writes its value.
    pub(crate) fn key(&mut self, key: &str) -> &mut String {
        if self.started {
            self.out.push(',');
        }
        self.started = true;
        text(self.out, key);
        self.out.push(':');
        self.out
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        text(self.key(key), value);
        self
    }

    /// Null when there is none.
    pub(crate) fn maybe(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.null(key),
        }
    }

    pub(crate) fn int(&mut self, key: &str, value: impl std::fmt::Display) -> &mut Self {
        push(self.key(key), format_args!("{value}"));
        self
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    pub(crate) fn null(&mut self, key: &str) -> &mut Self {
        self.raw(key, "null")
    }

    /// `json` is JSON already.
    pub(crate) fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key).push_str(json);
        self
    }

    /// Cents as text with two digits.
    pub(crate) fn cents(&mut self, key: &str, cents: i64) -> &mut Self {
        self.text(key, &two_digits(cents))
    }

    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        let mut inner = Object::new(self.key(key));
        fill(&mut inner);
        drop(inner);
        self
    }

    pub(crate) fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut String, T),
    ) -> &mut Self {
        list(self.key(key), items, write);
        self
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        self.out.push('}');
    }
}

/// Appends a JSON list.
pub(crate) fn list<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// One object as text.
pub(crate) fn object(fill: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::new();
    let mut object = Object::new(&mut out);
    fill(&mut object);
    drop(object);
    out
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An opaque cursor: base64, URL-safe, without padding.
pub(crate) fn cursor(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 4 / 3 + 4);
    for chunk in text.as_bytes().chunks(3) {
        let mut word = [0_u8; 3];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        let word = u32::from_be_bytes([0, word[0], word[1], word[2]]);
        for digit in 0..=chunk.len() {
            let at = usize::try_from((word >> (18 - 6 * digit)) & 63).unwrap_or(0);
            out.push(char::from(DIGITS.get(at).copied().unwrap_or(b'A')));
        }
    }
    out
}

/// What [`cursor`] was made from.
pub(crate) fn uncursor(cursor: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(cursor.len());
    let mut word: u32 = 0;
    let mut bits = 0;
    for byte in cursor.bytes().filter(|byte| *byte != b'=') {
        let digit = DIGITS.iter().position(|known| *known == byte)?;
        word = (word << 6) | u32::try_from(digit).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((word >> bits) & 0xFF).ok()?);
        }
        word &= 0xFFFF;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vendor_spells_money_its_own_way() {
        let trim = |cents| {
            let mut out = String::new();
            trimmed(&mut out, cents);
            out
        };
        assert_eq!(
            [trim(880), trim(3500), trim(0), trim(-125), trim(5)],
            ["8.8", "35.0", "0.0", "-1.25", "0.05"]
        );
        assert_eq!([two_digits(880), two_digits(-5), two_digits(0)], ["8.80", "-0.05", "0.00"]);
        assert_eq!(
            [millionths(72_500), millionths(0), millionths(7_250_000)],
            ["0.0725", "0.0", "7.25"]
        );
    }

    #[test]
    fn a_cursor_leads_back_to_its_text() {
        for sample in ["", "a", "ab", "abc", "1793426400:123456", "{\"last\":1}"] {
            assert_eq!(uncursor(&cursor(sample)).as_deref(), Some(sample));
        }
        assert_eq!(uncursor("***"), None);
    }

    #[test]
    fn text_is_escaped() {
        let mut out = String::new();
        text(&mut out, "a\"b\\c\nd\u{1}é");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"b\\c\nd\u{1}é");
    }
}
