//! Klaviyo's filters on profiles, as far as the sandbox's profiles have something to filter by.
//!
//! Legal fields and operators are those of the vendor's description of `GET /api/profiles`; all else is refused.

use chrono::DateTime;

/// Which profiles are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    All,
    Emails(Vec<String>),
    /// Suppressed between these moments, exclusive.
    SuppressedBetween(i64, i64),
    SuppressedFor(String),
}

const TIMESTAMP: &str = "subscriptions.email.marketing.suppression.timestamp";
const REASON: &str = "subscriptions.email.marketing.suppression.reason";

impl Filter {
    /// Reads `operator(field,value)`, several joined by commas or `and(..)`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text =
            text.strip_prefix("and(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
        let mut span = (i64::MIN, i64::MAX);
        let mut found = None;
        for part in split(text) {
            match one(part)? {
                Self::SuppressedBetween(after, before) => {
                    span = (span.0.max(after), span.1.min(before));
                }
                other => found = Some(other),
            }
        }
        Ok(found.unwrap_or(Self::SuppressedBetween(span.0, span.1)))
    }

    pub(super) fn wants_suppressed(&self, at: i64) -> bool {
        match self {
            Self::All | Self::Emails(_) => true,
            Self::SuppressedBetween(after, before) => *after < at && at < *before,
            Self::SuppressedFor(reason) => reason.eq_ignore_ascii_case("UNSUBSCRIBE"),
        }
    }

    pub(super) const fn wants_imported(&self) -> bool {
        matches!(self, Self::All | Self::Emails(_))
    }

    pub(super) fn wants_email(&self, email: &str) -> bool {
        match self {
            Self::Emails(emails) => emails.iter().any(|wanted| wanted == email),
            _ => true,
        }
    }
}

/// The parts between commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let parts = text.split(|c: char| {
        depth += i32::from(matches!(c, '(' | '[')) - i32::from(matches!(c, ')' | ']'));
        c == ',' && depth == 0
    });
    parts.collect()
}

fn one(part: &str) -> Result<Filter, String> {
    let wrong = || format!("Invalid filter provided: '{part}'.");
    let (operator, rest) = part.trim().split_once('(').ok_or_else(wrong)?;
    let (field, value) =
        rest.strip_suffix(')').and_then(|rest| rest.split_once(',')).ok_or_else(wrong)?;
    let unquoted = |text: &str| text.trim().trim_matches('"').to_lowercase();
    let moment = || {
        let text = value.trim().trim_matches('"');
        DateTime::parse_from_rfc3339(text)
            .map(|at| at.timestamp())
            .map_err(|_| format!("Invalid timestamp: '{text}'."))
    };
    match (operator, field.trim()) {
        ("greater-or-equal", TIMESTAMP) => Ok(Filter::SuppressedBetween(moment()? - 1, i64::MAX)),
        ("greater-than", TIMESTAMP) => Ok(Filter::SuppressedBetween(moment()?, i64::MAX)),
        ("less-or-equal", TIMESTAMP) => Ok(Filter::SuppressedBetween(i64::MIN, moment()? + 1)),
        ("less-than", TIMESTAMP) => Ok(Filter::SuppressedBetween(i64::MIN, moment()?)),
        ("equals", REASON) => Ok(Filter::SuppressedFor(unquoted(value))),
        ("equals", "email") => Ok(Filter::Emails(vec![unquoted(value)])),
        ("any", "email") => {
            let list = value
                .trim()
                .strip_prefix('[')
                .and_then(|list| list.strip_suffix(']'))
                .ok_or_else(wrong)?;
            Ok(Filter::Emails(list.split(',').map(unquoted).collect()))
        }
        (operator, field) => {
            Err(format!("'{operator}' is not a legal operator for the field '{field}'."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_filters_are_read_and_others_refused() {
        let since =
            Filter::parse(&format!("greater-or-equal({TIMESTAMP},2000-01-01T00:00:00Z)")).unwrap();
        assert!(
            since.wants_suppressed(946_684_800)
                && !since.wants_suppressed(946_684_799)
                && !since.wants_imported()
        );
        let emails = Filter::parse(r#"any(email,["A@b.co","c@d.co"])"#).unwrap();
        assert!(emails.wants_email("a@b.co") && !emails.wants_email("x@b.co"));
        assert!(Filter::parse("equals(suppressed,true)").is_err());
        assert!(Filter::parse(&format!("equals({TIMESTAMP},2000-01-01T00:00:00Z)")).is_err());
    }
}
