//! Printify: what the prints and their shipping cost, shop by shop.
//!
//! Orders come ten a page, newest first, and there is no date filter and no change date: every
//! night reads the list down to a floor and fetches older open orders by id, see
//! [`crate::kit::newest_first`]. Costs are provisional until an order is past `cost-calculation`,
//! and a provider may still be changed after that. Products come fifty a page and are read whole,
//! since their costs change without a sign; shipping profiles are asked for once for each
//! (blueprint, print provider) that a product uses.
//!
//! A request without a `User-Agent` is refused. Limits: 600 requests a minute for the account,
//! 100 of them from the catalog; a 429 names no wait, so a minute is kept. Money is integer cents.
//! Whether the list is ordered by creation is observed, not documented; the orders of the last
//! [`WINDOW`](crate::kit::newest_first::WINDOW) are read whatever their place on a page.
//!
//! API: <https://developers.printify.com> (v1, read 2026-11-22).

mod config;
mod orders;
mod products;
mod streams;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveTime, Utc};
pub use config::PrintifyConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
pub(crate) use streams::ALL as STREAMS;
use url::Url;

use crate::{
    Bookmark, Error, Page, Result, Source, Stream,
    kit::{
        decode::Decoder,
        http::{Bucket, Http, Reply, Verdict},
        snapshot::Snapshot,
    },
};

/// Calls that wait for their answers at the same time.
const AT_ONCE: usize = 4;

/// One Printify account with all its shops. Holds no state between pages.
#[derive(Debug)]
pub struct Printify {
    /// Orders and products.
    http: Http,
    /// The catalog, which has a limit of its own.
    catalog: Http,
    /// Orders created before are not read.
    start: Option<DateTime<Utc>>,
}

impl Printify {
    /// Connects nothing yet; the first call does.
    ///
    /// # Errors
    /// A config error when the address is not usable.
    pub fn new(config: PrintifyConfig) -> Result<Self> {
        let base = match config.base_url {
            Some(url) => url,
            None => {
                Url::parse("https://api.printify.com").map_err(|e| Error::bug(e.to_string()))?
            }
        };
        let bearer = SecretString::from(format!("Bearer {}", config.token.expose_secret()));
        let client = |bucket: Bucket| {
            let mut http = Http::builder("printify", &base)
                .header_secret("authorization", &bearer)
                .header("accept", "application/json")
                .classify(verdict);
            if config.rate_limit {
                http = http.bucket(bucket).classify(paced);
            }
            http.build()
        };
        Ok(Self {
            // Together the two stay within the account's 600.
            http: client(Bucket::per_minute(500))?,
            catalog: client(Bucket::per_minute(100))?,
            start: config.start_date.map(|day| day.and_time(NaiveTime::MIN).and_utc()),
        })
    }

    async fn shops(&self) -> Result<Reply> {
        self.http.get("/v1/shops.json").send().await
    }

    /// Ids of the account's shops, in Printify's order.
    async fn shop_ids(&self) -> Result<Vec<u64>> {
        #[derive(Deserialize)]
        struct Shop {
            id: u64,
        }
        let reply = self.shops().await?;
        let shops: Vec<Shop> = parse(&reply)?;
        Ok(shops.into_iter().map(|shop| shop.id).collect())
    }

    async fn read_shops(&self, stream: &Stream, now: DateTime<Utc>) -> Result<Page> {
        let reply = self.shops().await?;
        let mut decoder = Decoder::new(stream);
        for shop in parse::<Vec<&RawValue>>(&reply)? {
            decoder.push(shop.get(), &[]);
        }
        let bytes = size(&reply);
        page(decoder, Bookmark::of(&Snapshot::<()>::default().after(now, None))?, false, bytes)
    }
}

#[async_trait]
impl Source for Printify {
    fn name(&self) -> &'static str {
        "printify"
    }

    fn streams(&self) -> &'static [Stream] {
        STREAMS
    }

    /// Lists the shops: the cheapest call that needs a valid token.
    async fn check(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Shop {
            title: String,
        }
        let reply = self.shops().await?;
        let shops: Vec<Shop> = parse(&reply)?;
        let titles: Vec<String> =
            shops.into_iter().map(|shop| format!("`{}`", shop.title)).collect();
        Ok(format!("Printify, shops {}", titles.join(", ")))
    }

    async fn read(&self, stream: &Stream, bookmark: &Bookmark, now: DateTime<Utc>) -> Result<Page> {
        match stream.name {
            "shops" => self.read_shops(stream, now).await,
            "orders" => self.read_orders(stream, bookmark, now).await,
            "products" => self.read_products(stream, bookmark, now).await,
            "shipping_profiles" => self.read_shipping_profiles(stream, bookmark, now).await,
            other => Err(Error::bug(format!("printify has no stream `{other}`"))),
        }
    }
}

/// What is gone (404) is an answer to read.
fn verdict(reply: &Reply) -> Verdict {
    match reply.status {
        404 => Verdict::Done,
        _ => Verdict::by_status(reply),
    }
}

/// The same, and a 429 that names no wait means a minute: so long a breach is remembered.
fn paced(reply: &Reply) -> Verdict {
    match reply.status {
        429 if reply.header("retry-after").is_none() => {
            Verdict::Retry { wait: Some(Duration::from_mins(1)) }
        }
        _ => verdict(reply),
    }
}

/// A page of Laravel's paginator, its records unparsed.
#[derive(Debug, Deserialize)]
struct Listing<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(default)]
    last_page: Option<u64>,
}

/// Parses an answer that must be there.
fn parse<'a, T: Deserialize<'a>>(reply: &'a Reply) -> Result<T> {
    if reply.status == 404 {
        return Err(Error::data("printify: there is nothing at this address".to_owned()));
    }
    serde_json::from_slice(&reply.body)
        .map_err(|error| Error::data(format!("printify: unexpected answer: {error}")))
}

fn size(reply: &Reply) -> u64 {
    u64::try_from(reply.body.len()).unwrap_or(u64::MAX)
}

fn page(decoder: Decoder, bookmark: Bookmark, more: bool, bytes: u64) -> Result<Page> {
    let decoded = decoder.finish()?;
    Ok(Page { rows: decoded.rows, rejects: decoded.rejects, bookmark, more, bytes })
}
