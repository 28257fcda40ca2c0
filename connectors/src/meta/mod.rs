//! Meta: what ads cost, by ad and day, of one ad account.
//!
//! One row is one day of the account with all its ads, not one ad-day. Meta restates a day for
//! weeks, and an ad whose spend is taken back loses its row: only a day that replaces a day lets
//! that row vanish. Rows come only for ads that were delivered, so a day without any is an empty
//! list, and it says that the day was read.
//!
//! A night asks for the days from [`lookback_days`](MetaConfig::lookback_days) before the last one
//! read up to today in the account's own zone, a few days a call; all pages of a call are read and
//! sorted by ad before its days are handed out, so that Meta's order (and a row sent twice) does
//! not make a day look changed. The bookmark is the next day to ask for. An ad row that does not
//! fit is set aside alone and its day keeps the others.
//!
//! Archived and deleted ads are left out by Meta unless their states are asked for. Refusals and
//! usage are told in [`answer`].
//!
//! API: <https://developers.facebook.com/docs/marketing-api/insights> (v26.0, read 2026-11-22).

mod answer;
mod config;
mod days;
mod streams;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
pub use config::MetaConfig;
use days::{Days, Progress, Walk};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
pub(crate) use streams::ALL as STREAMS;
use url::Url;

use crate::{
    Bookmark, Error, Page, Result, Source, Stream,
    kit::{
        decode::Decoder,
        http::{Http, Reply, RetryPolicy},
        snapshot::Snapshot,
    },
};

const VERSION: &str = "v26.0";
const ACCOUNT_FIELDS: &str = "id,account_id,name,currency,timezone_name";
const INSIGHT_FIELDS: &str = "account_id,account_currency,campaign_id,campaign_name,adset_id,\
    adset_name,ad_id,ad_name,date_start,date_stop,impressions,reach,clicks,inline_link_clicks,\
    spend,actions,action_values";
/// Every state there is: without this filter Meta hides the ads of the past, and what they cost.
const STATES: [&str; 12] = [
    "ACTIVE",
    "PAUSED",
    "DELETED",
    "ARCHIVED",
    "ADSET_PAUSED",
    "CAMPAIGN_PAUSED",
    "PENDING_REVIEW",
    "DISAPPROVED",
    "PREAPPROVED",
    "PENDING_BILLING_INFO",
    "IN_PROCESS",
    "WITH_ISSUES",
];

/// One ad account. Holds no state between pages, so any page can be read again.
#[derive(Debug)]
pub struct Meta {
    http: Http,
    /// The account's number, without `act_`.
    account: String,
    start: NaiveDate,
    lookback_days: u16,
    rests: bool,
}

/// A page of insights, its rows unparsed.
#[derive(Debug, Deserialize)]
struct Listing<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    paging: Option<Paging>,
}

#[derive(Debug, Deserialize)]
struct Paging {
    #[serde(default)]
    cursors: Option<Cursors>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Cursors {
    after: String,
}

#[derive(Debug, Deserialize)]
struct Account {
    name: Option<String>,
    currency: Option<String>,
    timezone_name: String,
}

impl Meta {
    /// Connects nothing yet; the first call does.
    ///
    /// # Errors
    /// A config error when `account_id` is not the number of an ad account.
    pub fn new(config: MetaConfig) -> Result<Self> {
        let base = match config.base_url {
            Some(url) => url,
            None => {
                Url::parse("https://graph.facebook.com").map_err(|e| Error::bug(e.to_string()))?
            }
        };
        let account = config.account_id.strip_prefix("act_").unwrap_or(&config.account_id);
        if account.is_empty() || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::config(format!(
                "meta: `account_id` is `{}`, expected an ad account such as `act_1234`",
                config.account_id
            )));
        }
        let bearer = SecretString::from(format!("Bearer {}", config.token.expose_secret()));
        // A throttled account is let in again after minutes, so the patience is longer than usual.
        let patience = RetryPolicy {
            tries: 8,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_mins(1),
        };
        let http = Http::builder("meta", &base)
            .header_secret("authorization", &bearer)
            .header("accept", "application/json")
            .classify(answer::verdict)
            .retry(patience)
            .build()?;
        Ok(Self {
            http,
            account: account.to_owned(),
            start: config.start_date,
            lookback_days: config.lookback_days,
            rests: config.rate_limit,
        })
    }

    async fn account(&self) -> Result<Reply> {
        let path = format!("/{VERSION}/act_{}", self.account);
        self.http.get(&path).query("fields", ACCOUNT_FIELDS).send().await
    }

    async fn read_account(&self, stream: &Stream, now: DateTime<Utc>) -> Result<Page> {
        let reply = self.account().await?;
        let record: &RawValue = reply.json()?;
        let mut decoder = Decoder::new(stream);
        decoder.push(record.get(), &[]);
        let bookmark = Bookmark::of(&Snapshot::<()>::default().after(now, None))?;
        decoder.page(bookmark, false, reply.size())
    }

    /// The day it is now where the account is.
    async fn today(&self, now: DateTime<Utc>) -> Result<NaiveDate> {
        let account: Account = self.account().await?.json()?;
        let zone: Tz = account.timezone_name.parse().map_err(|_| {
            Error::data(format!(
                "meta: the account's zone `{}` is not known",
                account.timezone_name
            ))
        })?;
        Ok(now.with_timezone(&zone).date_naive())
    }

    async fn read_days(
        &self,
        stream: &Stream,
        bookmark: &Bookmark,
        now: DateTime<Utc>,
    ) -> Result<Page> {
        let progress: Progress = bookmark.parse()?;
        let mut walk = match progress.walk.clone() {
            Some(walk) => walk,
            None => progress.begin(self.start, self.lookback_days, self.today(now).await?),
        };
        let mut decoder = Decoder::new(stream);
        let mut bytes = 0;
        if walk.next <= walk.until {
            let mut days = loop {
                match self.ask(&walk, &mut bytes).await? {
                    Some(days) => break days,
                    None if walk.ask_for_less() => {}
                    None => {
                        return Err(Error::data(format!(
                            "meta: the insights of {} are too much for one call, and cannot be \
                             asked for in parts",
                            walk.next
                        )));
                    }
                }
            };
            for record in days.records(&self.account) {
                decoder.push(&record, &[]);
            }
            walk.next = days.after();
            let rejects = std::mem::take(&mut days.rejects);
            let mut page = page_of(decoder, &progress_after(&progress, walk), bytes)?;
            page.rejects.extend(rejects);
            return Ok(page);
        }
        page_of(decoder, &progress_after(&progress, walk), bytes)
    }

    /// All pages of the next few days; none when they are too much for Meta.
    async fn ask(&self, walk: &Walk, bytes: &mut u64) -> Result<Option<Days>> {
        let mut days = Days::new(walk.next, walk.last_of_call());
        let states = json!([{ "field": "ad.effective_status", "operator": "IN", "value": STATES }]);
        let range = json!({ "since": days.first, "until": days.last });
        let path = format!("/{VERSION}/act_{}/insights", self.account);
        let mut after: Option<String> = None;
        loop {
            let mut request = self
                .http
                .get(&path)
                .query("level", "ad")
                .query("time_increment", 1)
                .query("time_range", &range)
                .query("fields", INSIGHT_FIELDS)
                .query("filtering", &states)
                .query("use_unified_attribution_setting", true)
                .query("limit", walk.limit);
            if let Some(after) = &after {
                request = request.query("after", after);
            }
            let reply = request.send().await?;
            if answer::is_too_much(&reply) {
                return Ok(None);
            }
            *bytes += reply.size();
            let listing: Listing<'_> = reply.json()?;
            days.extend(&listing.data);
            let paging = listing.paging.filter(|paging| paging.next.is_some());
            let next = match paging {
                Some(paging) => {
                    Some(paging.cursors.map(|cursors| cursors.after).ok_or_else(|| {
                        Error::data("meta: a page of insights tells of another one and not where")
                    })?)
                }
                None => None,
            };
            if next.is_some() && next == after {
                return Err(Error::data("meta: a page of insights leads to itself"));
            }
            if self.rests
                && let Some(rest) = answer::rest_after(&reply)
            {
                self.http.rest(rest).await;
            }
            if next.is_none() {
                return Ok(Some(days));
            }
            after = next;
        }
    }
}

fn page_of(decoder: Decoder, progress: &Progress, bytes: u64) -> Result<Page> {
    decoder.page(Bookmark::of(progress)?, progress.walk.is_some(), bytes)
}

/// The walk goes on, or is over and its last day is remembered.
fn progress_after(progress: &Progress, walk: Walk) -> Progress {
    if walk.next <= walk.until {
        Progress { through: progress.through, walk: Some(walk) }
    } else {
        Progress { through: progress.through.max(Some(walk.until)), walk: None }
    }
}

#[async_trait]
impl Source for Meta {
    fn name(&self) -> &'static str {
        "meta"
    }

    fn streams(&self) -> &'static [Stream] {
        STREAMS
    }

    /// Reads the ad account's own record: the cheapest call that needs a valid token.
    async fn check(&self) -> Result<String> {
        let account: Account = self.account().await?.json()?;
        Ok(format!(
            "Meta ad account `{}` (act_{}, {}, {})",
            account.name.unwrap_or_default(),
            self.account,
            account.currency.unwrap_or_default(),
            account.timezone_name
        ))
    }

    async fn read(&self, stream: &Stream, bookmark: &Bookmark, now: DateTime<Utc>) -> Result<Page> {
        match stream.name {
            "ad_accounts" => self.read_account(stream, now).await,
            "insights_daily" => self.read_days(stream, bookmark, now).await,
            other => Err(Error::bug(format!("meta has no stream `{other}`"))),
        }
    }
}
