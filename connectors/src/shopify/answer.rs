//! What Shopify answers: data, errors that come with status 200, and the price of the call.
//!
//! A refusal is rarely an HTTP status: `THROTTLED`, `MAX_COST_EXCEEDED` and `ACCESS_DENIED` arrive
//! with 200 and a code in `errors[].extensions`; a bad token arrives with 401 and `errors` as a
//! bare string. An unknown search filter is no error at all, only a warning in
//! `extensions.search`, and the filter is ignored: that must stop the run, or a night would read
//! everything, or nothing, in silence.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::{Number, value::RawValue};

use super::query::VERSION;
use crate::{
    Error, Result,
    error::ErrorKind,
    kit::http::{Reply, Verdict},
};

/// The body of every answer. The parts are parsed when they are looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(borrow, default)]
    data: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
    #[serde(default)]
    extensions: Extensions,
}

/// One page of a connection, its nodes unparsed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection<'a> {
    #[serde(borrow)]
    pub nodes: Vec<&'a RawValue>,
    pub page_info: PageInfo,
}

/// Where a connection goes on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageInfo {
    pub has_next_page: bool,
    #[serde(default)]
    pub end_cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Extensions {
    #[serde(default)]
    cost: Option<Cost>,
    #[serde(default)]
    search: Option<Vec<Search>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    requested_query_cost: Option<Number>,
    throttle_status: Option<Throttle>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Throttle {
    currently_available: Number,
    restore_rate: Number,
}

#[derive(Debug, Deserialize)]
struct Search {
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Debug, Deserialize)]
struct Warning {
    #[serde(default)]
    field: String,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize)]
struct Fault {
    #[serde(default)]
    message: String,
    #[serde(default)]
    extensions: FaultExtensions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FaultExtensions {
    #[serde(default)]
    code: String,
    #[serde(default)]
    required_access: Option<String>,
}

/// What a data-bearing answer turned out to be.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// The root field asked for.
    Data(&'a RawValue),
    /// The query could cost more than Shopify allows: ask for fewer nodes.
    TooDear,
}

/// How the kit's HTTP client is to take a reply. `TooDear` is left to the caller, who knows how
/// to ask for less.
pub(crate) fn verdict(reply: &Reply) -> Verdict {
    match reply.status {
        200 => of_body(&reply.body),
        401 => access(format!("the token was refused: {}", words(&reply.body))),
        402 => access("the shop is frozen: its bill is unpaid".to_owned()),
        403 => access(format!("the token may not do this: {}", words(&reply.body))),
        404 => access("there is no such shop".to_owned()),
        423 => access("the shop is locked".to_owned()),
        430 => access("Shopify's security check turned the request away".to_owned()),
        _ => Verdict::by_status(reply),
    }
}

fn access(message: String) -> Verdict {
    Verdict::Fail { kind: ErrorKind::Access, message }
}

fn data(message: String) -> Verdict {
    Verdict::Fail { kind: ErrorKind::Data, message }
}

/// `errors` of a refusal: a bare string, or a list of faults.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        errors: serde_json::Value,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(Refusal { errors: serde_json::Value::String(text) }) => text,
        Ok(Refusal { errors }) => errors.to_string(),
        Err(_) => "no reason given".to_owned(),
    }
}

pub(super) fn of_body(body: &[u8]) -> Verdict {
    let answer = match serde_json::from_slice::<Answer<'_>>(body) {
        Ok(answer) => answer,
        Err(error) if error.is_data() => return data("unexpected answer".to_owned()),
        // Cut off on the way: the same call again brings the whole.
        Err(_) => return Verdict::Retry { wait: None },
    };
    let faults = match answer.faults() {
        Ok(faults) => faults,
        Err(message) => return data(message),
    };
    let Some(fault) = faults.first() else { return Verdict::Done };
    let has = |code: &str| faults.iter().find(|fault| fault.extensions.code == code);
    if has("THROTTLED").is_some() {
        return Verdict::Retry { wait: answer.extensions.cost.as_ref().and_then(refill) };
    }
    if has("INTERNAL_SERVER_ERROR").is_some() || has("TIMEOUT").is_some() {
        return Verdict::Retry { wait: None };
    }
    if has("MAX_COST_EXCEEDED").is_some() {
        return Verdict::Done;
    }
    if let Some(fault) = has("ACCESS_DENIED") {
        return access(match &fault.extensions.required_access {
            Some(scope) => format!("the token lacks a scope: {} (needs {scope})", fault.message),
            None => format!("the token lacks a scope: {}", fault.message),
        });
    }
    if has("SHOP_INACTIVE").is_some() {
        return access("the shop is inactive".to_owned());
    }
    // An app that was not approved for protected customer data is told so without a code, and
    // only by pages that hold rows.
    if fault.message.contains("not approved") {
        return access(fault.message.clone());
    }
    data(fault.message.clone())
}

/// How long until the bucket holds another query of this kind; `None` when it does or nobody says.
pub(crate) fn wait_for_another(body: &[u8]) -> Option<Duration> {
    let answer = serde_json::from_slice::<Answer<'_>>(body).ok()?;
    refill(answer.extensions.cost.as_ref()?)
}

/// How long until the bucket holds what the query asked for.
fn refill(cost: &Cost) -> Option<Duration> {
    let throttle = cost.throttle_status.as_ref()?;
    let missing = whole(cost.requested_query_cost.as_ref()?)?
        .checked_sub(whole(&throttle.currently_available)?)?;
    let rate = whole(&throttle.restore_rate)?;
    Some(Duration::from_millis(missing.checked_mul(1000)?.checked_div(rate)?.saturating_add(1)))
}

/// The whole part of a number that Shopify writes as `100` or `100.0`.
fn whole(number: &Number) -> Option<u64> {
    number.to_string().split('.').next()?.parse().ok()
}

impl<'a> Answer<'a> {
    /// Parses a body that [`verdict`] let pass.
    ///
    /// # Errors
    /// A data error when the body is not an answer, when Shopify answered with another version or
    /// did not understand the search.
    pub(crate) fn of(reply: &'a Reply) -> Result<Self> {
        let answer: Self = serde_json::from_slice(&reply.body)
            .map_err(|error| Error::data(format!("shopify: not an answer: {error}")))?;
        if let Some(version) = reply.header("x-shopify-api-version")
            && version != VERSION
        {
            return Err(Error::data(format!(
                "shopify: asked for version `{VERSION}`, which is gone: `{version}` answered"
            )));
        }
        let warning =
            answer.extensions.search.iter().flatten().find_map(|search| search.warnings.first());
        if let Some(Warning { field, message }) = warning {
            return Err(Error::data(format!(
                "shopify: the search was not understood: `{field}`: {message}"
            )));
        }
        Ok(answer)
    }

    /// One root field.
    ///
    /// # Errors
    /// A data error when it is missing.
    pub(crate) fn root(&self, field: &str) -> Result<Outcome<'a>> {
        if self
            .faults()
            .is_ok_and(|faults| faults.iter().any(|f| f.extensions.code == "MAX_COST_EXCEEDED"))
        {
            return Ok(Outcome::TooDear);
        }
        self.data
            .as_ref()
            .and_then(|data| data.get(field))
            .map(|value| Outcome::Data(value))
            .ok_or_else(|| Error::data(format!("shopify: the answer has no `{field}`")))
    }

    fn faults(&self) -> std::result::Result<Vec<Fault>, String> {
        match self.errors.map(RawValue::get) {
            None | Some("null") => Ok(Vec::new()),
            Some(errors) => serde_json::from_str(errors).map_err(|_| {
                serde_json::from_str::<String>(errors).unwrap_or_else(|_| errors.to_owned())
            }),
        }
    }
}

/// Parses a value that Shopify answered.
pub(crate) fn parse<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Result<T> {
    serde_json::from_str(value.get())
        .map_err(|error| Error::data(format!("shopify: unexpected answer: {error}")))
}
