//! Shopify's search syntax: `updated_at:>='..' AND status:active,draft`.
//!
//! A filter that Shopify does not know is no error: it is left out and `extensions.search` warns.

use chrono::{DateTime, NaiveDate};

use super::super::json::{self, Object};

/// A search text, understood.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// `from <= updated_at < to`.
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    terms: Vec<Term>,
    warnings: Vec<(String, String, &'static str)>,
}

#[derive(Debug)]
struct Term {
    field: String,
    operator: &'static str,
    value: String,
}

/// What a record offers to the filters other than `updated_at`.
pub(super) trait Facts {
    /// A moment in epoch seconds.
    fn moment(&self, field: &str) -> Option<i64>;
    /// Whether a word fits.
    fn fits(&self, field: &str, word: &str) -> bool;
}

impl Search {
    /// Reads a search text; `times` and `words` are the filters that exist here.
    pub(super) fn parse(text: &str, times: &[&str], words: &[&str]) -> Result<Self, String> {
        let mut search = Self::default();
        for part in parts(text) {
            if part == "AND" {
                continue;
            }
            let Some((field, rest)) = part.split_once(':') else {
                search.warn(&part, "The sandbox has no search over all fields.", "unsupported");
                continue;
            };
            let operator = [">=", "<=", ">", "<"]
                .into_iter()
                .find(|operator| rest.starts_with(operator))
                .unwrap_or("=");
            let value =
                rest.strip_prefix(operator).unwrap_or(rest).trim_matches(['\'', '"']).to_owned();
            let field = field.trim_start_matches('(').to_owned();
            if times.contains(&field.as_str()) {
                let at = moment(&value)
                    .ok_or_else(|| format!("Invalid timestamp for query filter `{field}`."))?;
                if field == "updated_at" {
                    search.narrow(operator, at);
                    continue;
                }
                search.terms.push(Term { field, operator, value: at.to_string() });
            } else if words.contains(&field.as_str()) {
                search.terms.push(Term { field, operator: "", value: value.to_lowercase() });
            } else {
                search.warn(&field, "Invalid search field for this query.", "invalid_field");
            }
        }
        Ok(search)
    }

    fn warn(&mut self, field: &str, message: &str, code: &'static str) {
        self.warnings.push((field.to_owned(), message.to_owned(), code));
    }

    fn narrow(&mut self, operator: &str, at: i64) {
        let (from, to) = match operator {
            ">=" => (Some(at), None),
            ">" => (Some(at + 1), None),
            "<=" => (None, Some(at + 1)),
            "<" => (None, Some(at)),
            _ => (Some(at), Some(at + 1)),
        };
        self.from = self.from.max(from);
        self.to = [self.to, to].into_iter().flatten().min();
    }

    /// Whether nothing but `updated_at` is asked for.
    pub(super) fn is_plain(&self) -> bool {
        self.terms.is_empty()
    }

    pub(super) fn fits(&self, facts: &impl Facts) -> bool {
        self.terms.iter().all(|term| {
            if term.operator.is_empty() {
                return term.value.split(',').any(|word| facts.fits(&term.field, word));
            }
            let (Some(is), Ok(at)) = (facts.moment(&term.field), term.value.parse::<i64>()) else {
                return false;
            };
            match term.operator {
                ">=" => is >= at,
                ">" => is > at,
                "<=" => is <= at,
                "<" => is < at,
                _ => is == at,
            }
        })
    }

    /// An entry of `extensions.search`, if there is something to warn of.
    pub(super) fn warnings(&self, root: &str, query: &str) -> Option<String> {
        if self.warnings.is_empty() {
            return None;
        }
        Some(json::object(|o| {
            o.list("path", [root], json::text).text("query", query);
            o.object("parsed", |_| ()).list(
                "warnings",
                &self.warnings,
                |out, (field, message, code)| {
                    Object::new(out)
                        .text("field", field)
                        .text("message", message)
                        .text("code", code);
                },
            );
        }))
    }
}

/// Words apart, quoted blanks kept.
fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut word, mut quote) = (String::new(), None);
    for c in text.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => {
                parts.push(std::mem::take(&mut word));
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    parts.push(word);
    parts.retain(|part| !part.is_empty());
    parts
}

/// A time with offset, or a day's start in UTC.
fn moment(text: &str) -> Option<i64> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp());
    }
    let day: NaiveDate = text.parse().ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_updates_is_read() {
        let search = Search::parse(
            "updated_at:>='2026-10-01T00:00:00Z' AND updated_at:<'2026-10-02'",
            &["updated_at"],
            &[],
        )
        .unwrap();
        assert_eq!((search.from, search.to), (Some(1_790_812_800), Some(1_790_899_200)));
        assert!(search.is_plain() && search.warnings("orders", "").is_none());
    }

    #[test]
    fn an_unknown_filter_only_warns_and_a_bad_time_is_refused() {
        let search =
            Search::parse("colour:red status:'active,draft'", &["updated_at"], &["status"])
                .unwrap();
        assert!(search.warnings("orders", "colour:red").unwrap().contains("invalid_field"));
        assert!(!search.is_plain());
        let error = Search::parse("updated_at:>soon", &["updated_at"], &[]).unwrap_err();
        assert_eq!(error, "Invalid timestamp for query filter `updated_at`.");
    }
}
