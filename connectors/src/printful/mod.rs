//! Printful: what the prints, their shipping and fees cost, for one store.
//!
//! Orders are listed newest first by offset and there is no filter by change: every night reads
//! the list down to a floor and fetches older open orders by id, see
//! [`crate::kit::newest_first`]. Costs are null until Printful has calculated them. Store products
//! are a list and one call each for their variants; the catalog has no list of what a store uses,
//! so the products to ask for are gathered from the store's variants first.
//!
//! A token may belong to an account with many stores: `X-PF-Store-Id` chooses. Limit: 120 requests
//! a minute; who breaks it is locked out for 60 seconds. Money is decimal text. An error is
//! `{"code":401,"result":"..","error":{"reason":"Unauthorized","message":".."}}`.
//!
//! API: <https://developers.printful.com/docs/> (v1, read 2026-11-22).

mod config;
mod orders;
mod products;
mod streams;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
pub use config::PrintfulConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
pub(crate) use streams::ALL as STREAMS;
use url::Url;

use crate::{
    Bookmark, Error, Page, Result, Source, Stream,
    error::ErrorKind,
    kit::{
        decode::Decoder,
        http::{Bucket, Http, Reply, Verdict},
    },
};

/// Calls that wait for their answers at the same time.
const AT_ONCE: usize = 4;

/// One Printful store. Holds no state between pages.
#[derive(Debug)]
pub struct Printful {
    http: Http,
    store_id: u64,
}

impl Printful {
    /// Connects nothing yet; the first call does.
    ///
    /// # Errors
    /// A config error when the address is not usable.
    pub fn new(config: PrintfulConfig) -> Result<Self> {
        let base = match config.base_url {
            Some(url) => url,
            None => {
                Url::parse("https://api.printful.com").map_err(|e| Error::bug(e.to_string()))?
            }
        };
        let bearer = SecretString::from(format!("Bearer {}", config.token.expose_secret()));
        let mut http = Http::builder("printful", &base)
            .header_secret("authorization", &bearer)
            .header("x-pf-store-id", &config.store_id.to_string())
            .header("accept", "application/json")
            .classify(verdict);
        if config.rate_limit {
            http = http.bucket(Bucket::per_minute(120)).classify(paced);
        }
        Ok(Self { http: http.build()?, store_id: config.store_id })
    }
}

#[async_trait]
impl Source for Printful {
    fn name(&self) -> &'static str {
        "printful"
    }

    fn streams(&self) -> &'static [Stream] {
        STREAMS
    }

    /// Lists one product of the store: the cheapest call that needs the token and the store.
    async fn check(&self) -> Result<String> {
        let (_, reply) = self.store_products(0, 1).await?;
        let products: Envelope<serde::de::IgnoredAny> = parse(&reply)?;
        let count = products.paging.map_or(0, |paging| paging.total);
        Ok(format!("Printful store {}, {count} products", self.store_id))
    }

    async fn read(&self, stream: &Stream, bookmark: &Bookmark, now: DateTime<Utc>) -> Result<Page> {
        match stream.name {
            "orders" => self.read_orders(stream, bookmark, now).await,
            "store_products" => self.read_store_products(stream, bookmark, now).await,
            "catalog_products" => self.read_catalog_products(stream, bookmark, now).await,
            other => Err(Error::bug(format!("printful has no stream `{other}`"))),
        }
    }
}

/// What is gone (404) or asked at the wrong place (400) is an answer to read. A refusal is told in
/// Printful's own words.
fn verdict(reply: &Reply) -> Verdict {
    match reply.status {
        400 | 404 => Verdict::Done,
        401 | 403 => Verdict::Fail {
            kind: ErrorKind::Access,
            message: format!("the token was refused: {}", words(reply)),
        },
        _ => Verdict::by_status(reply),
    }
}

/// The same, and a 429 that names no wait means the lockout of a minute.
fn paced(reply: &Reply) -> Verdict {
    match reply.status {
        429 if reply.header("retry-after").is_none() => {
            Verdict::Retry { wait: Some(Duration::from_mins(1)) }
        }
        _ => verdict(reply),
    }
}

/// `error.reason` and `error.message` of an error body.
fn words(reply: &Reply) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
    }
    match serde_json::from_slice::<Refusal>(&reply.body) {
        Ok(Refusal { error }) => format!("{}: {}", error.reason, error.message),
        Err(_) => format!("status {}", reply.status),
    }
}

/// The body of every answer.
#[derive(Debug, Deserialize)]
struct Envelope<T> {
    result: T,
    #[serde(default)]
    paging: Option<Paging>,
}

#[derive(Debug, Deserialize)]
struct Paging {
    total: u64,
}

/// Parses an answer that must be there.
fn parse<'a, T: Deserialize<'a>>(reply: &'a Reply) -> Result<Envelope<T>> {
    if reply.status >= 400 {
        return Err(Error::data(format!("printful: nothing to read here ({})", reply.status)));
    }
    serde_json::from_slice(&reply.body)
        .map_err(|error| Error::data(format!("printful: unexpected answer: {error}")))
}

fn size(reply: &Reply) -> u64 {
    u64::try_from(reply.body.len()).unwrap_or(u64::MAX)
}

/// How far a list's offset moves on after a page: never beyond what was asked for, since a record
/// that came twice would push another one out between two pages.
fn advance(records: usize, asked: u64) -> u64 {
    u64::try_from(records).map_or(asked, |records| records.min(asked))
}

fn page(decoder: Decoder, bookmark: Bookmark, more: bool, bytes: u64) -> Result<Page> {
    let decoded = decoder.finish()?;
    Ok(Page { rows: decoded.rows, rejects: decoded.rejects, bookmark, more, bytes })
}
