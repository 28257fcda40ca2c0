//! Stripe: what the card payments cost, as balance transactions, charges and refunds.
//!
//! Every list runs from the newest thing to the oldest and is paged by the id of the last one seen
//! (`starting_after`), so a walk that breaks off has read the top and not the bottom: the newest
//! `created` is no bookmark until the bottom is reached. How a walk is kept, taken up again and
//! turned into the next night's start is told in [`progress`].
//!
//! Nothing here has a change date. What was created in the last [`progress::LOOKBACK`] is read
//! again every night: a balance transaction becomes `available`, a refund fails, a charge is
//! disputed, and a thing may show up minutes after its `created`. A charge that is refunded later
//! than that keeps its old `amount_refunded`; the refund itself is new, and the money is summed
//! from refunds.
//!
//! Amounts are integers of the currency's minor unit and stay so. Limit: 25 calls a second and
//! endpoint; a 429 tells in `Stripe-Rate-Limited-Reason` which limit it was, and no wait.
//!
//! API: <https://docs.stripe.com/api> (version 2026-10-28.endive, read 2026-11-22).

mod config;
mod progress;
mod streams;
#[cfg(test)]
pub(crate) mod tests;

use async_trait::async_trait;
use chrono::{DateTime, NaiveTime, Utc};
pub use config::StripeConfig;
use progress::{Glance, Progress};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
pub(crate) use streams::ALL as STREAMS;
use url::Url;

use crate::{
    Bookmark, Error, ErrorKind, Page, Result, Source, Stream,
    kit::{
        decode::Decoder,
        http::{Bucket, Http, Reply, Request, Verdict},
    },
};

const VERSION: &str = "2026-10-28.endive";
const PAGE_SIZE: usize = 100; // the most Stripe returns

/// One Stripe account. Holds no state between pages, so any page can be read again.
#[derive(Debug)]
pub struct Stripe {
    http: Http,
    /// What was created before is not read.
    start: Option<i64>,
}

/// A page of a list, its records unparsed.
#[derive(Debug, Deserialize)]
struct Listing<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
}

impl Stripe {
    /// Connects nothing yet; the first call does.
    ///
    /// # Errors
    /// A config error when the key cannot be sent.
    pub fn new(config: StripeConfig) -> Result<Self> {
        let base = match config.base_url {
            Some(url) => url,
            None => Url::parse("https://api.stripe.com").map_err(|e| Error::bug(e.to_string()))?,
        };
        let bearer = SecretString::from(format!("Bearer {}", config.key.expose_secret()));
        let mut http = Http::builder("stripe", &base)
            .header_secret("authorization", &bearer)
            .header("stripe-version", VERSION)
            .reason_header("stripe-rate-limited-reason")
            .classify(verdict);
        if config.rate_limit {
            http = http.bucket(Bucket::per_second(25));
        }
        Ok(Self {
            http: http.build()?,
            start: config.start_date.map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp()),
        })
    }

    fn list(&self, stream: &Stream, limit: usize) -> Request {
        self.http.get(&format!("/v1/{}", stream.name)).query("limit", limit)
    }
}

#[async_trait]
impl Source for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn streams(&self) -> &'static [Stream] {
        STREAMS
    }

    /// Asks for one thing of each list, since a restricted key may be allowed some of them only.
    async fn check(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Listed {
            data: Vec<Thing>,
        }
        #[derive(Deserialize)]
        struct Thing {
            livemode: Option<bool>,
        }
        let mut livemode = None;
        for stream in STREAMS {
            let reply = self.list(stream, 1).send().await?;
            let listed: Listed = reply.json()?;
            livemode = livemode.or_else(|| listed.data.first().and_then(|thing| thing.livemode));
        }
        Ok(match livemode {
            Some(true) => "Stripe account, live".to_owned(),
            Some(false) => "Stripe account, test mode".to_owned(),
            None => "Stripe account".to_owned(),
        })
    }

    async fn read(&self, stream: &Stream, bookmark: &Bookmark, now: DateTime<Utc>) -> Result<Page> {
        let progress: Progress = bookmark.parse()?;
        let mut walk = progress.walk(self.start, now);
        let mut request = self.list(stream, PAGE_SIZE);
        if let Some(since) = walk.since {
            request = request.query("created[gte]", since);
        }
        if let Some(after) = &walk.after {
            request = request.query("starting_after", after);
        }
        let reply = request.send().await?;
        let listing: Listing<'_> = reply.json()?;
        let mut decoder = Decoder::new(stream);
        let mut glances = Vec::with_capacity(listing.data.len());
        for thing in &listing.data {
            decoder.push(thing.get(), &[]);
            glances.extend(serde_json::from_str::<Glance>(thing.get()));
        }
        walk.pass(glances);
        let more = listing.has_more && !listing.data.is_empty();
        if more && walk.after_is(&progress) {
            return Err(Error::data(format!(
                "stripe: GET /v1/{}: a page without ids, so the next one cannot be asked for",
                stream.name
            )));
        }
        let bytes = reply.size();
        if more {
            return decoder.page(Bookmark::of(&progress.with(walk))?, true, bytes);
        }
        let more = walk.is_of_another_night(now);
        decoder.page(Bookmark::of(&progress.finished(&walk))?, more, bytes)
    }
}

/// Stripe says in a header whether trying again can help, and in the body what was wrong.
fn verdict(reply: &Reply) -> Verdict {
    let said = || said(reply);
    match (reply.status, reply.header("stripe-should-retry")) {
        (200..=299, _) => Verdict::Done,
        (401, _) => fail(ErrorKind::Access, format!("the key was refused: {}", said())),
        (403, _) => fail(ErrorKind::Access, format!("the key may not read this: {}", said())),
        (400..=499, Some("true")) | (409, _) => Verdict::Retry { wait: reply.retry_after() },
        (400 | 402 | 404, _) | (500..=599, Some("false")) => fail(ErrorKind::Data, said()),
        _ => Verdict::by_status(reply),
    }
}

fn fail(kind: ErrorKind, message: String) -> Verdict {
    Verdict::Fail { kind, message }
}

/// The message of an error, with the parameter it is about.
fn said(reply: &Reply) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: Fault,
    }
    #[derive(Deserialize)]
    struct Fault {
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        param: Option<String>,
    }
    let Ok(Refusal { error }) = reply.json::<Refusal>() else {
        return format!("no reason given ({})", reply.status);
    };
    let mut said = error.message.unwrap_or_else(|| format!("status {}", reply.status));
    if let Some(code) = error.code {
        said = format!("{said} ({code})");
    }
    if let Some(param) = error.param {
        said = format!("{said} at `{param}`");
    }
    said
}
