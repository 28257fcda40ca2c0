//! Faults on demand: a plan in one line of text, applied to the answers of named requests.
//!
//! ```text
//! plan   = rule *( ";" rule )
//! rule   = vendor ":" kind "@" when *( "," option "=" number )
//! vendor = shopify | printify | .. | * (every name in VENDORS)
//! kind   = 429 | 500 | throttled | close | truncate | slow | duplicate | reorder
//!        | wrong_type | unknown_field | import_error
//! when   = n | n ".." m | n "+" | "%" n | "*"      request number(s) of that vendor, from 1
//! option = retry_after (seconds, for 429) | ms (for slow, 1500 unless told)
//! ```
//!
//! `shopify:429@5,retry_after=1;printify:truncate@3;*:500@%7`: Shopify's fifth request is told to
//! wait a second, the body of Printify's third is cut in half, every seventh request of each vendor
//! fails. Requests are counted by vendor, faulty ones too. `throttled` is Shopify's refusal with
//! status 200; `import_error` fails the first profile of a Klaviyo import after it was accepted.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value, json};

/// The vendors behind one port: prefixes of their paths, and their names in fault plans.
pub const VENDORS: &[&str] = &["shopify", "printify", "printful", "stripe", "meta", "klaviyo"];

/// What goes wrong, and when. `FaultPlan::default()` is a calm day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultPlan {
    rules: Vec<Rule>,
}

/// Why a plan's text was not understood; names the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault `{rule}`: {reason}")]
pub struct FaultPlanError {
    rule: String,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// Position in [`VENDORS`]; `None` is all of them.
    vendor: Option<usize>,
    kind: FaultKind,
    when: When,
    retry_after: Option<u64>,
    milliseconds: u64,
}

/// What goes wrong with one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    TooMany,
    Server,
    Throttled,
    Close,
    Truncate,
    Slow,
    Duplicate,
    Reorder,
    WrongType,
    UnknownField,
    ImportError,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Between(u64, u64),
    Every(u64),
}

/// A fault to apply now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) retry_after: Option<u64>,
    pub(crate) milliseconds: u64,
}

impl FaultPlan {
    /// Whether nothing ever goes wrong.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The first rule that names request `number` of `vendor`.
    pub(crate) fn of(&self, vendor: usize, number: u64) -> Option<Fault> {
        let rule = self.rules.iter().find(|rule| {
            rule.vendor.is_none_or(|named| named == vendor)
                && match rule.when {
                    When::Between(from, to) => (from..=to).contains(&number),
                    When::Every(n) => number.is_multiple_of(n),
                }
        })?;
        Some(Fault {
            kind: rule.kind,
            retry_after: rule.retry_after,
            milliseconds: rule.milliseconds,
        })
    }
}

impl FromStr for FaultPlan {
    type Err = FaultPlanError;

    fn from_str(text: &str) -> Result<Self, FaultPlanError> {
        let rules = text.split(';').map(str::trim).filter(|rule| !rule.is_empty());
        let rules = rules.map(|rule| {
            Rule::parse(rule).map_err(|reason| FaultPlanError { rule: rule.to_owned(), reason })
        });
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KINDS.iter().find(|(_, kind)| kind == self).map_or("", |(name, _)| name))
    }
}

const KINDS: [(&str, FaultKind); 11] = [
    ("429", FaultKind::TooMany),
    ("500", FaultKind::Server),
    ("throttled", FaultKind::Throttled),
    ("close", FaultKind::Close),
    ("truncate", FaultKind::Truncate),
    ("slow", FaultKind::Slow),
    ("duplicate", FaultKind::Duplicate),
    ("reorder", FaultKind::Reorder),
    ("wrong_type", FaultKind::WrongType),
    ("unknown_field", FaultKind::UnknownField),
    ("import_error", FaultKind::ImportError),
];

impl Rule {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',').map(str::trim);
        let head = parts.next().unwrap_or("");
        let (vendor, rest) = head.split_once(':').ok_or("expected `vendor:kind@when`")?;
        let (kind, when) = rest.split_once('@').ok_or("expected `@` and a request number")?;
        let vendor = match vendor.trim() {
            "*" => None,
            name => Some(
                VENDORS
                    .iter()
                    .position(|known| *known == name)
                    .ok_or_else(|| format!("no vendor `{name}`"))?,
            ),
        };
        let (_, kind) = KINDS
            .iter()
            .find(|(name, _)| *name == kind.trim())
            .ok_or_else(|| format!("no fault `{kind}`"))?;
        let mut rule = Self {
            vendor,
            kind: *kind,
            when: When::parse(when.trim())?,
            retry_after: None,
            milliseconds: 1_500,
        };
        for option in parts {
            let (name, value) =
                option.split_once('=').ok_or_else(|| format!("`{option}` has no value"))?;
            let value = number(value.trim())?;
            match name.trim() {
                "retry_after" => rule.retry_after = Some(value),
                "ms" => rule.milliseconds = value,
                other => return Err(format!("no option `{other}`")),
            }
        }
        Ok(rule)
    }
}

impl When {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Between(1, u64::MAX));
        }
        if let Some(n) = text.strip_prefix('%') {
            let n = number(n)?;
            return if n == 0 {
                Err("`%0` names no request".to_owned())
            } else {
                Ok(Self::Every(n))
            };
        }
        if let Some(n) = text.strip_suffix('+') {
            return Ok(Self::Between(number(n)?, u64::MAX));
        }
        match text.split_once("..") {
            Some((from, to)) => Ok(Self::Between(number(from)?, number(to)?)),
            None => number(text).map(|n| Self::Between(n, n)),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// Changes the records of a good answer; `None` where that changes nothing: no records, one record
/// in another order, an answer that is no JSON.
pub(crate) fn change_records(kind: FaultKind, body: &str) -> Option<String> {
    let original = serde_json::from_str::<Value>(body).ok()?;
    let mut answer = original.clone();
    let records = records(&mut answer)?;
    match kind {
        FaultKind::Duplicate => records.push(records.first()?.clone()),
        FaultKind::Reorder => records.reverse(),
        FaultKind::WrongType => mistype(records.first_mut().and_then(record_of)?),
        FaultKind::UnknownField => {
            records
                .first_mut()
                .and_then(record_of)?
                .insert("x_unannounced".to_owned(), json!({"since": "2026-11", "steps": [1, 2]}));
        }
        _ => return None,
    }
    (answer != original).then(|| answer.to_string())
}

/// The list of records in any vendor's envelope.
fn records(answer: &mut Value) -> Option<&mut Vec<Value>> {
    if answer.is_array() {
        return answer.as_array_mut();
    }
    let name =
        ["result", "data", "sync_variants"].into_iter().find(|name| answer.get(name).is_some())?;
    let held = answer.get_mut(name)?;
    if held.is_array() {
        return held.as_array_mut();
    }
    // Shopify: data.<root field>.{nodes|edges}.
    let root = held.as_object_mut()?.values_mut().find(|root| root.is_object())?.as_object_mut()?;
    let name = ["nodes", "edges"].into_iter().find(|name| root.contains_key(*name))?;
    root.get_mut(name)?.as_array_mut()
}

fn record_of(record: &mut Value) -> Option<&mut Map<String, Value>> {
    if record.get("node").is_some() {
        return record.get_mut("node")?.as_object_mut();
    }
    record.as_object_mut()
}

/// Puts an object where a plain value belongs: a field that no list or bookmark is kept by.
fn mistype(record: &mut Map<String, Value>) {
    const LIKELY: [&str; 9] = [
        "displayFinancialStatus",
        "handle",
        "locale",
        "total_tax",
        "tags",
        "shipping",
        "currency",
        "impressions",
        "name",
    ];
    let likely = LIKELY.into_iter().find(|name| record.contains_key(*name)).map(str::to_owned);
    let name = likely.or_else(|| {
        let plain = record
            .iter()
            .find(|(name, value)| *name != "id" && !value.is_object() && !value.is_null());
        plain.map(|(name, _)| name.clone())
    });
    if let Some(name) = name {
        record.insert(name, json!({"unexpected": ["shape"]}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_vendor_kind_and_requests() {
        let plan: FaultPlan =
            "shopify:429@5,retry_after=1; printful:500@1..2;meta:slow@1,ms=20;*:close@%7;stripe:reorder@9+".parse().unwrap();
        let kind = |vendor, number| plan.of(vendor, number).map(|fault| fault.kind);
        assert_eq!(plan.of(0, 5).and_then(|fault| fault.retry_after), Some(1));
        assert_eq!(
            [kind(2, 1), kind(2, 2), kind(2, 3)],
            [Some(FaultKind::Server), Some(FaultKind::Server), None]
        );
        assert_eq!(plan.of(4, 1).map(|fault| fault.milliseconds), Some(20));
        assert_eq!(
            [kind(1, 7), kind(1, 14), kind(1, 8)],
            [Some(FaultKind::Close), Some(FaultKind::Close), None]
        );
        assert_eq!([kind(3, 8), kind(3, 9)], [None, Some(FaultKind::Reorder)]);
    }

    #[test]
    fn a_wrong_plan_says_which_rule_and_why() {
        let reason = |text: &str| text.parse::<FaultPlan>().unwrap_err().to_string();
        assert_eq!(reason("acme:429@1"), "fault `acme:429@1`: no vendor `acme`");
        assert_eq!(reason("stripe:418@1"), "fault `stripe:418@1`: no fault `418`");
        assert_eq!(reason("stripe:500@x"), "fault `stripe:500@x`: `x` is no number");
        assert_eq!(reason("stripe:500@%0"), "fault `stripe:500@%0`: `%0` names no request");
    }

    #[test]
    fn records_are_found_in_every_envelope() {
        for body in [
            r#"[{"id":1,"title":"a"},{"id":2}]"#,
            r#"{"data":[{"id":1,"title":"a"},{"id":2}]}"#,
            r#"{"code":200,"result":[{"id":1,"title":"a"},{"id":2}]}"#,
            r#"{"data":{"orders":{"nodes":[{"id":1,"title":"a"},{"id":2}]}}}"#,
            r#"{"data":{"orders":{"edges":[{"node":{"id":1,"title":"a"}},{"node":{"id":2}}]}}}"#,
        ] {
            let changed = |kind| change_records(kind, body).unwrap();
            assert_eq!(changed(FaultKind::Duplicate).matches("\"title\"").count(), 2, "{body}");
            assert!(changed(FaultKind::WrongType).contains("unexpected"), "{body}");
            assert!(changed(FaultKind::UnknownField).contains("x_unannounced"), "{body}");
            assert_ne!(changed(FaultKind::Reorder), body);
        }
    }

    #[test]
    fn what_changes_nothing_is_no_fault() {
        for body in ["no JSON", "{}", "[]", r#"{"data":{"id":1}}"#] {
            for (_, kind) in KINDS {
                assert_eq!(change_records(kind, body), None, "{kind} of {body}");
            }
        }
        assert_eq!(change_records(FaultKind::Reorder, r#"[{"id":1}]"#), None);
    }
}
