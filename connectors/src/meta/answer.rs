//! What Meta answers: refusals told by a code in the body, and how much of its patience is used up.
//!
//! The HTTP status tells little: a full rate limit is a 400 or 403 with code 4, 17, 32, 613 or
//! 80000 and up, and "please reduce the amount of data" comes as a 500 or 400 that no retry helps.
//! Usage is told in headers, in percent, before the limit is reached.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Number, Value};

use crate::{
    ErrorKind,
    kit::http::{Reply, Verdict},
};

/// Percentages in the usage headers, and what they are of.
const USAGE: [&str; 5] =
    ["call_count", "total_cputime", "total_time", "acc_id_util_pct", "app_id_util_pct"];
const USAGE_HEADERS: [&str; 4] = [
    "x-app-usage",
    "x-ad-account-usage",
    "x-business-use-case-usage",
    "x-fb-ads-insights-throttle",
];

/// `error` of a refusal.
#[derive(Debug, Deserialize)]
struct Fault {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: i64,
    #[serde(default)]
    error_subcode: Option<i64>,
    #[serde(default)]
    is_transient: bool,
}

fn fault(reply: &Reply) -> Option<Fault> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Fault,
    }
    (!(200..300).contains(&reply.status)).then(|| reply.json::<Refusal>().ok())?.map(|r| r.error)
}

impl Fault {
    fn is_too_much(&self) -> bool {
        self.message.contains("reduce the amount of data")
    }

    fn is_throttle(&self) -> bool {
        matches!(self.code, 4 | 17 | 32 | 613 | 80_000..=80_006 | 80_008 | 80_014)
    }

    fn is_access(&self) -> bool {
        matches!(self.code, 10 | 102 | 190 | 200..=299 | 803)
            || self.message.contains("missing permissions")
    }

    fn is_passing(&self) -> bool {
        self.is_transient
            || matches!(self.code, 1 | 2 | 99 | 104 | 960)
            || self.error_subcode == Some(99)
            // Meta refuses its own summary fields now and then.
            || (self.code == 100 && self.message.contains("in summary param"))
    }

    fn words(&self) -> String {
        match self.error_subcode {
            Some(subcode) => format!("{} (code {}, subcode {subcode})", self.message, self.code),
            None => format!("{} (code {})", self.message, self.code),
        }
    }
}

/// How the kit's HTTP client is to take a reply. Too much data is left to the caller, who knows how
/// to ask for less.
pub(super) fn verdict(reply: &Reply) -> Verdict {
    let Some(fault) = fault(reply) else { return Verdict::by_status(reply) };
    let fail = |kind| Verdict::Fail { kind, message: fault.words() };
    if fault.is_too_much() {
        Verdict::Done
    } else if fault.is_throttle() {
        Verdict::Retry { wait: regained_after(reply) }
    } else if reply.status == 401 || fault.is_access() {
        fail(ErrorKind::Access)
    } else if fault.is_passing() {
        Verdict::Retry { wait: None }
    } else {
        match Verdict::by_status(reply) {
            Verdict::Fail { kind, .. } => fail(kind),
            verdict => verdict,
        }
    }
}

/// Whether Meta asks to be asked for less.
pub(super) fn is_too_much(reply: &Reply) -> bool {
    fault(reply).is_some_and(|fault| fault.is_too_much())
}

/// How long to rest before the next call: Meta throttles an account for long once it is over.
pub(super) fn rest_after(reply: &Reply) -> Option<Duration> {
    let used = headers(reply).iter().filter_map(most_used).max()?;
    match used {
        ..85 => None,
        85..95 => Some(Duration::from_mins(1)),
        _ => Some(Duration::from_mins(5)),
    }
}

/// `Retry-After`, or the minutes until the account may call again.
fn regained_after(reply: &Reply) -> Option<Duration> {
    if let Some(wait) = reply.retry_after() {
        return Some(wait);
    }
    let minutes = headers(reply).iter().filter_map(minutes_left).max()?;
    (minutes > 0).then(|| Duration::from_mins(minutes))
}

fn headers(reply: &Reply) -> Vec<Value> {
    let texts = USAGE_HEADERS.iter().filter_map(|name| reply.header(name));
    texts.filter_map(|text| serde_json::from_str(text).ok()).collect()
}

/// The largest percentage anywhere in a usage header: one of them nests by business and by call.
fn most_used(usage: &Value) -> Option<u64> {
    match usage {
        Value::Object(members) => members
            .iter()
            .filter_map(|(name, value)| match value {
                Value::Number(number) if USAGE.contains(&name.as_str()) => whole(number),
                value => most_used(value),
            })
            .max(),
        Value::Array(items) => items.iter().filter_map(most_used).max(),
        _ => None,
    }
}

fn minutes_left(usage: &Value) -> Option<u64> {
    match usage {
        Value::Object(members) => members
            .iter()
            .filter_map(|(name, value)| match value {
                Value::Number(number) if name == "estimated_time_to_regain_access" => whole(number),
                value => minutes_left(value),
            })
            .max(),
        Value::Array(items) => items.iter().filter_map(minutes_left).max(),
        _ => None,
    }
}

/// The whole part of a number that may be written `9.67`.
fn whole(number: &Number) -> Option<u64> {
    number.to_string().split('.').next()?.parse().ok()
}
