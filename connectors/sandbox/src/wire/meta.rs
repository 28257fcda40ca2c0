//! Meta's Graph API v26.0: ad insights by day of the ad account's zone; every value is a string.
//!
//! Rows exist only for days with delivery, and days of the last three are restated. Ads that are
//! archived are left out unless `filtering` asks for `ad.effective_status` `ARCHIVED`. Usage is told
//! in headers; over the limit the answer is a 400 with code 17, not a 429.

use chrono::{Months, NaiveDate};
use serde_json::Value;

use crate::world::{
    AD_ACCOUNT_ID, AD_ZONE, SHOP_NAME, World,
    ads::{Ad, AdDay},
};

use super::{
    json::{self, Object, cursor, uncursor},
    limits::Windows,
    request::{Answer, Call, Vendor, escape},
};

const TOKEN: &str = "EAAsandbox";
const MOST: u32 = 600;
/// An ad that stopped delivering this long ago was archived.
const ARCHIVED_AFTER_DAYS: i64 = 45;

const ACCOUNT_FIELDS: [&str; 6] =
    ["id", "account_id", "name", "currency", "timezone_name", "account_status"];
const INSIGHT_FIELDS: [&str; 19] = [
    "account_id",
    "account_name",
    "account_currency",
    "campaign_id",
    "campaign_name",
    "adset_id",
    "adset_name",
    "ad_id",
    "ad_name",
    "date_start",
    "date_stop",
    "impressions",
    "reach",
    "clicks",
    "inline_link_clicks",
    "spend",
    "actions",
    "action_values",
    "objective",
];
const INSIGHT_PARAMETERS: [&str; 10] = [
    "access_token",
    "level",
    "time_range",
    "time_increment",
    "fields",
    "limit",
    "after",
    "filtering",
    "use_unified_attribution_setting",
    "action_attribution_windows",
];

/// Meta's side of the server.
#[derive(Debug)]
pub(crate) struct Meta {
    limit: Windows,
}

impl Default for Meta {
    fn default() -> Self {
        Self { limit: Windows::new(&[(60, MOST)]) }
    }
}

impl Vendor for Meta {
    fn answer(&self, world: &World, lifted: bool, call: &Call<'_>) -> Answer {
        let token = call.parameter("access_token").or_else(|| call.authorization("bearer"));
        if token != Some(TOKEN) {
            let message = if token.is_some() {
                "Invalid OAuth access token - Cannot parse access token"
            } else {
                "An access token is required to request this resource."
            };
            return failure(if token.is_some() { 190 } else { 104 }, message);
        }
        let mut used = 0;
        if !lifted {
            match self.limit.enter() {
                Ok(room) => used = 100 - room.remaining * 100 / MOST,
                Err(_) => return too_many(),
            }
        }
        let answer = match (call.method, call.parts().as_slice()) {
            ("GET", ["v26.0", node]) if is_account(node) => account(call),
            ("GET", ["v26.0", node, "insights"]) if is_account(node) => insights(world, call),
            ("GET", ["v26.0", node, ..]) => failure(
                100,
                &format!(
                    "Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due to missing permissions, or does not support this operation"
                ),
            ),
            _ => failure(2500, "Unknown path components: this version is not served"),
        };
        answer
            .header("x-app-usage", format!("{{\"call_count\":{used},\"total_cputime\":1,\"total_time\":1}}"))
            .header("x-ad-account-usage", format!(
                "{{\"acc_id_util_pct\":{used},\"reset_time_duration\":60,\"ads_api_access_tier\":\"standard_access\"}}"
            ))
            .header("x-fb-ads-insights-throttle", format!(
                "{{\"app_id_util_pct\":{used},\"acc_id_util_pct\":{used},\"ads_api_access_tier\":\"standard_access\"}}"
            ))
            .header("facebook-api-version", "v26.0")
    }

    fn too_many(&self) -> Answer {
        too_many()
    }

    fn broken(&self) -> &'static str {
        r#"{"error":{"message":"An unknown error has occurred.","type":"OAuthException","code":1,"is_transient":true,"fbtrace_id":"AsandboxFault"}}"#
    }
}

fn is_account(node: &str) -> bool {
    node.strip_prefix("act_").is_some_and(|id| id == AD_ACCOUNT_ID.to_string())
}

fn fields<'a>(call: &'a Call<'_>, usual: &[&'a str]) -> Vec<&'a str> {
    match call.parameter("fields") {
        Some(fields) => fields.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
        None => usual.to_vec(),
    }
}

fn account(call: &Call<'_>) -> Answer {
    let fields = fields(call, &["account_id", "id"]);
    if let Some(name) = fields.iter().find(|name| !ACCOUNT_FIELDS.contains(name)) {
        return failure(
            100,
            &format!("(#100) Tried accessing nonexisting field ({name}) on node type (AdAccount)"),
        );
    }
    let body = json::object(|o| {
        for name in fields.iter().filter(|name| **name != "id") {
            match *name {
                "account_id" => o.text(name, &AD_ACCOUNT_ID.to_string()),
                "name" => o.text(name, &format!("{SHOP_NAME} Ads")),
                "currency" => o.text(name, "USD"),
                "timezone_name" => o.text(name, AD_ZONE.name()),
                _ => o.int(name, 1),
            };
        }
        o.text("id", &format!("act_{AD_ACCOUNT_ID}"));
    });
    Answer::new(200, body)
}

/// What a page of insights is asked for.
#[derive(Debug)]
struct Asked<'a> {
    since: NaiveDate,
    until: NaiveDate,
    fields: Vec<&'a str>,
    limit: usize,
    /// The row the last page ended with.
    after: Option<(NaiveDate, u32)>,
    with_archived: bool,
    ads: Option<Vec<u64>>,
}

fn insights(world: &World, call: &Call<'_>) -> Answer {
    let asked = match asked(world, call) {
        Ok(asked) => asked,
        Err((code, message)) => return failure(code, &message),
    };
    let (first, last) = world.insight_days();
    let (_, today) = (first, last);
    let start = asked.after.map_or(asked.since, |(date, _)| date).max(first);
    let mut rows: Vec<AdDay> = Vec::new();
    let days = start.iter_days().take_while(|day| *day <= asked.until.min(last));
    for day in days {
        let seen = |row: &AdDay| asked.after.is_some_and(|after| (row.date, row.ad) <= after);
        let shown = world
            .insights(day)
            .into_iter()
            .filter(|row| !seen(row) && asked.shows(world, today, row));
        rows.extend(shown);
        if rows.len() > asked.limit {
            break;
        }
    }
    let more = rows.len() > asked.limit;
    rows.truncate(asked.limit);
    Answer::new(200, page(world, call, &asked, &rows, more))
}

impl Asked<'_> {
    fn shows(&self, world: &World, today: NaiveDate, row: &AdDay) -> bool {
        let Some(ad) = ad_of(world, row) else { return false };
        let is_archived = (today - ad.last_day).num_days() > ARCHIVED_AFTER_DAYS;
        (self.with_archived || !is_archived)
            && self.ads.as_ref().is_none_or(|ads| ads.contains(&ad.id))
    }
}

fn ad_of<'a>(world: &'a World, row: &AdDay) -> Option<&'a Ad> {
    world.ads().get(usize::try_from(row.ad).ok()?)
}

fn asked<'a>(world: &World, call: &'a Call<'_>) -> Result<Asked<'a>, (u16, String)> {
    let bad = |message: String| (100, format!("(#100) {message}"));
    if let Some((name, _)) = call.parameters().find(|(name, _)| !INSIGHT_PARAMETERS.contains(name))
    {
        return Err(bad(format!("Param {name} is not served by the sandbox")));
    }
    let level = call.parameter("level").unwrap_or("account");
    if level != "ad" || call.parameter("time_increment") != Some("1") {
        return Err(bad("the sandbox serves level=ad with time_increment=1".to_owned()));
    }
    let range: Value = call
        .parameter("time_range")
        .and_then(|range| serde_json::from_str(range).ok())
        .ok_or_else(|| bad("param time_range must be an object with since and until".to_owned()))?;
    let day = |name: &str| {
        let text = range.get(name).and_then(Value::as_str).unwrap_or("");
        text.parse::<NaiveDate>().map_err(|_| {
            bad(format!(
                "Must be a date representation in the format YYYY-MM-DD: time_range[{name}]"
            ))
        })
    };
    let (since, until) = (day("since")?, day("until")?);
    if since > until {
        return Err(bad("time_range[since] must be before time_range[until]".to_owned()));
    }
    let (_, today) = world.insight_days();
    if today.checked_sub_months(Months::new(37)).is_some_and(|oldest| since < oldest) {
        let message = "(#3018) The start date of the time range cannot be beyond 37 months from the current date";
        return Err((3018, message.to_owned()));
    }
    let fields = fields(call, &["account_id", "impressions", "spend"]);
    if let Some(name) = fields.iter().find(|name| !INSIGHT_FIELDS.contains(name)) {
        return Err(bad(format!("{name} is not valid for fields param.")));
    }
    let limit =
        call.number("limit").map_err(|_| bad("Param limit must be an integer".to_owned()))?;
    let limit = usize::try_from(limit.unwrap_or(25)).unwrap_or(0);
    if !(1..=500).contains(&limit) {
        return Err(bad(
            "Please reduce the amount of data you're asking for, then retry your request"
                .to_owned(),
        ));
    }
    let after = call.parameter("after").map(|after| {
        let text = uncursor(after)?;
        let (date, ad) = text.split_once('|')?;
        Some((date.parse().ok()?, ad.parse().ok()?))
    });
    let after = match after {
        Some(None) => return Err(bad("Invalid cursor for param after".to_owned())),
        after => after.flatten(),
    };
    let mut asked = Asked { since, until, fields, limit, after, with_archived: false, ads: None };
    if let Some(filtering) = call.parameter("filtering") {
        let rules: Vec<Value> = serde_json::from_str(filtering)
            .map_err(|_| bad("param filtering must be an array".to_owned()))?;
        for rule in &rules {
            asked.narrow(rule).map_err(bad)?;
        }
    }
    Ok(asked)
}

impl Asked<'_> {
    fn narrow(&mut self, rule: &Value) -> Result<(), String> {
        let part = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or("");
        let values: Vec<&str> = rule
            .get("value")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        match (part("field"), part("operator")) {
            ("ad.effective_status", "IN") => self.with_archived = values.contains(&"ARCHIVED"),
            ("ad.id", "IN") => {
                self.ads = Some(values.iter().filter_map(|id| id.parse().ok()).collect());
            }
            (field, operator) => {
                return Err(format!(
                    "Filtering field {field} with operation {operator} is not supported"
                ));
            }
        }
        Ok(())
    }
}

fn page(world: &World, call: &Call<'_>, asked: &Asked<'_>, rows: &[AdDay], more: bool) -> String {
    let place = |row: &AdDay| cursor(&format!("{}|{}", row.date, row.ad));
    json::object(|o| {
        o.list("data", rows, |out, row| insight(out, world, &asked.fields, row));
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
        o.object("paging", |o| {
            o.object("cursors", |o| {
                o.text("before", &place(first)).text("after", &place(last));
            });
            if more {
                let host = call.header("host").unwrap_or("localhost");
                let mut link = format!("http://{host}/meta/{}?", call.path);
                for (name, value) in call.parameters().filter(|(name, _)| *name != "after") {
                    json::push(&mut link, format_args!("{}={}&", escape(name), escape(value)));
                }
                json::push(&mut link, format_args!("after={}", place(last)));
                o.text("next", &link);
            }
        });
    })
}

fn insight(out: &mut String, world: &World, fields: &[&str], row: &AdDay) {
    let Some(ad) = ad_of(world, row) else { return out.push_str("{}") };
    let mut o = Object::new(out);
    let date = row.date.to_string();
    for name in fields.iter().filter(|name| !name.starts_with("date_")) {
        match *name {
            "account_id" => o.text(name, &AD_ACCOUNT_ID.to_string()),
            "account_name" => o.text(name, &format!("{SHOP_NAME} Ads")),
            "account_currency" => o.text(name, "USD"),
            "campaign_id" => o.text(name, &ad.campaign_id.to_string()),
            "campaign_name" => o.text(name, &ad.campaign_name),
            "adset_id" => o.text(name, &ad.adset_id.to_string()),
            "adset_name" => o.text(name, &ad.adset_name),
            "ad_id" => o.text(name, &ad.id.to_string()),
            "ad_name" => o.text(name, &ad.name),
            "impressions" => o.text(name, &row.impressions.to_string()),
            "reach" => o.text(name, &row.reach.to_string()),
            "clicks" => o.text(name, &row.clicks.to_string()),
            "inline_link_clicks" => o.text(name, &row.inline_link_clicks.to_string()),
            // Whole amounts come without a fraction, others without trailing zeros.
            "spend" => o.text(name, &shortest(row.spend)),
            "objective" => o.text(name, "OUTCOME_SALES"),
            "actions" => actions(&mut o, name, row, |purchases, _| purchases.to_string(), true),
            "action_values" => actions(&mut o, name, row, |_, value| shortest(value), false),
            _ => &mut o,
        };
    }
    o.text("date_start", &date).text("date_stop", &date);
}

/// The claimed purchases, under each of the names Meta gives the same purchase. Absent when none.
fn actions<'a, 'b>(
    o: &'a mut Object<'b>,
    name: &str,
    row: &AdDay,
    show: impl Fn(i64, i64) -> String,
    with_clicks: bool,
) -> &'a mut Object<'b> {
    let mut entries = Vec::new();
    if with_clicks && row.inline_link_clicks > 0 {
        entries.push(("link_click", row.inline_link_clicks.to_string()));
    }
    if row.purchases > 0 {
        for kind in ["purchase", "omni_purchase", "offsite_conversion.fb_pixel_purchase"] {
            entries.push((kind, show(row.purchases, row.purchase_value)));
        }
    }
    if entries.is_empty() {
        return o;
    }
    o.list(name, entries, |out, (kind, value)| {
        Object::new(out).text("action_type", kind).text("value", &value);
    })
}

fn shortest(cents: i64) -> String {
    let mut out = String::new();
    json::trimmed(&mut out, cents);
    out.strip_suffix(".0").map_or_else(|| out.clone(), str::to_owned)
}

fn failure(code: u16, message: &str) -> Answer {
    let kind = if code == 100 && !message.starts_with("(#100)") {
        "GraphMethodException"
    } else {
        "OAuthException"
    };
    let body = json::object(|o| {
        o.object("error", |o| {
            o.text("message", message)
                .text("type", kind)
                .int("code", code)
                .text("fbtrace_id", "AsandboxTrace0");
        });
    });
    Answer::new(if code == 190 || code == 104 { 401 } else { 400 }, body)
}

/// Meta's throttle: a 400 with code 17.
fn too_many() -> Answer {
    let body = json::object(|o| {
        o.object("error", |o| {
            o.text("message", "(#17) User request limit reached")
                .text("type", "OAuthException")
                .int("code", 17);
            o.int("error_subcode", 2_446_079).flag("is_transient", true);
            o.text("error_user_title", "Ad account has too many API calls")
                .text("fbtrace_id", "AsandboxTrace0");
        });
    });
    Answer::new(400, body)
}
