//! Shopify: orders, products, customers and the shop itself, over the Admin GraphQL API.
//!
//! Records are walked by `updated_at`, oldest change first, in a window whose upper end is frozen
//! in the bookmark; how far a night goes back, and why nothing is lost, is told in [`progress`].
//! Connections inside a record are completed by calls of their own ([`nested`]). Shopify charges
//! every query by what it could return and refuses more than 1000 points ([`query`]); every answer
//! tells what is left in the bucket, and an empty one is an answer with status 200 ([`answer`]).
//!
//! Without the scope `read_all_orders` only orders of the last 60 days are shown, silently.
//!
//! API: <https://shopify.dev/docs/api/admin-graphql/2026-10> (read 2026-11-22).

mod answer;
mod config;
mod nested;
mod progress;
mod query;
mod saved;
#[cfg(test)]
mod schema_check;
mod streams;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod walk_tests;

use std::path::Path;

use answer::{Answer, Connection, Outcome, parse};
use async_trait::async_trait;
use chrono::{DateTime, NaiveTime, Utc};
pub use config::ShopifyConfig;
use progress::{Progress, Rules, Walk};
use query::Root;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
pub(crate) use streams::ALL as STREAMS;
use tokio::{sync, time::Instant};
use url::Url;

use crate::{
    Bookmark, Error, Page, Result, Source, Stream,
    kit::{
        decode::Decoder,
        http::{Http, Reply},
        snapshot::Snapshot,
    },
};

const PATH: &str = "/admin/api/2026-10/graphql.json";
/// Nodes in one page of ours: a call brings few orders, and each page is a write.
const ROWS: usize = 100;
/// The most nodes that Shopify hands out in a call, whatever they cost.
const MOST_NODES: u32 = 250;
/// With the cost limit lifted a page of orders is 100 and not 4. A real shop that is asked for so
/// much says `MAX_COST_EXCEEDED`, and the page is halved until it fits.
const UNLIMITED_STRETCH: u32 = 25;
/// Records of saved files in one page of ours.
const SAVED_ROWS: usize = 5_000;

/// One shop. Holds no state between pages, so any page can be read again.
#[derive(Debug)]
pub struct Shopify {
    http: Http,
    /// What changed before is not read.
    start: Option<DateTime<Utc>>,
    /// How many times the legal page is asked for; more than one only where no limit holds.
    stretch: u32,
    /// When the bucket holds the next call: all streams of a shop drink from one, so they take
    /// turns. None where no limit holds.
    bucket: Option<sync::Mutex<Option<Instant>>>,
}

/// A page of ours while its calls are made.
struct Harvest {
    decoder: Decoder,
    bytes: u64,
    rows: usize,
}

impl Shopify {
    /// Connects nothing yet; the first call does.
    ///
    /// # Errors
    /// A config error when `shop` is not the name of a host.
    pub fn new(config: ShopifyConfig) -> Result<Self> {
        let base = match config.base_url {
            Some(url) => url,
            None => Url::parse(&format!("https://{}", config.shop))
                .ok()
                .filter(|url| url.host_str() == Some(config.shop.as_str()))
                .ok_or_else(|| {
                    Error::config(format!(
                        "shopify: `shop` is `{}`, expected a domain such as `acme.myshopify.com`",
                        config.shop
                    ))
                })?,
        };
        let http = Http::builder("shopify", &base)
            .header_secret("x-shopify-access-token", &config.token)
            .header("accept", "application/json")
            .classify(answer::verdict)
            .build()?;
        Ok(Self {
            http,
            start: config.start_date.map(|day| day.and_time(NaiveTime::MIN).and_utc()),
            stretch: if config.rate_limit { 1 } else { UNLIMITED_STRETCH },
            bucket: config.rate_limit.then(sync::Mutex::default),
        })
    }

    /// Calls, once the bucket holds the call: a query that it does not hold is refused, and so
    /// might be those of another app of the same shop.
    async fn ask(&self, query: &str, variables: Value) -> Result<Reply> {
        let body = json!({ "query": query, "variables": variables });
        let call = self.http.post(PATH).json(&body);
        let Some(bucket) = &self.bucket else { return call.send().await };
        let mut ready = bucket.lock().await;
        if let Some(at) = ready.take() {
            self.http.rest(at.saturating_duration_since(Instant::now())).await;
        }
        let reply = call.send().await?;
        *ready = answer::wait_for_another(&reply.body).map(|wait| Instant::now() + wait);
        Ok(reply)
    }

    async fn read_shop(&self, stream: &Stream, now: DateTime<Utc>) -> Result<Page> {
        let reply = self.ask(query::SHOP, json!({})).await?;
        let mut harvest = Harvest::new(stream);
        harvest.push(expect_data(&Answer::of(&reply)?, "shop")?.get(), reply.body.len());
        harvest.page(Bookmark::of(&Snapshot::<()>::default().after(now, None))?, false)
    }

    async fn read_walk(
        &self,
        stream: &Stream,
        (root, rules): (&Root, &Rules),
        bookmark: &Bookmark,
        now: DateTime<Utc>,
    ) -> Result<Page> {
        let progress: Progress = bookmark.parse()?;
        let mut walk = progress.walk(rules, self.start, now);
        let mut harvest = Harvest::new(stream);
        while harvest.rows < ROWS {
            if !self.step(root, rules, &mut walk, &mut harvest).await? {
                return harvest.page(Bookmark::of(&progress.finished(&walk))?, false);
            }
        }
        harvest.page(Bookmark::of(&progress.with(walk))?, true)
    }

    /// One call; tells whether the walk goes on.
    async fn step(
        &self,
        root: &Root,
        rules: &Rules,
        walk: &mut Walk,
        harvest: &mut Harvest,
    ) -> Result<bool> {
        let first = walk.first.unwrap_or((root.first * self.stretch).min(MOST_NODES));
        let variables = json!({ "first": first, "after": walk.after, "query": walk.search(rules) });
        let reply = self.ask(&root.text(), variables).await?;
        let answer = Answer::of(&reply)?;
        let data = match answer.root(root.field)? {
            Outcome::Data(data) => data,
            Outcome::TooDear if first > 1 => {
                walk.first = Some(first / 2);
                return Ok(true);
            }
            Outcome::TooDear => {
                return Err(Error::data(format!("shopify: one of `{}` is too dear", root.field)));
            }
        };
        let connection: Connection<'_> = parse(data)?;
        harvest.bytes += u64::try_from(reply.body.len()).unwrap_or(u64::MAX);
        let mut newest = None;
        for node in &connection.nodes {
            newest = newest.max(updated_at(node));
            if nested::may_be_open(node.get()) {
                let record = self.completed(node, harvest).await?;
                harvest.push(&record, 0);
            } else {
                harvest.push(node.get(), 0);
            }
        }
        let more = connection.page_info.has_next_page;
        if more && (connection.nodes.is_empty() || connection.page_info.end_cursor.is_none()) {
            return Err(Error::data(format!("shopify: `{}` goes on without a cursor", root.field)));
        }
        walk.take(connection.nodes.len(), newest, connection.page_info.end_cursor);
        if more {
            walk.restart_if_long(rules);
        }
        Ok(more)
    }

    /// A record whose inner connections are all complete.
    async fn completed(&self, node: &RawValue, harvest: &mut Harvest) -> Result<String> {
        let mut record: Value = parse(node)?;
        for open in nested::open_connections(&record) {
            let nested = open.nested()?;
            let query = query::rest(nested);
            let mut after = Some(open.after.clone());
            let mut nodes = Vec::new();
            while let Some(cursor) = after {
                let variables = json!({ "id": open.id, "first": nested.first, "after": cursor });
                let reply = self.ask(&query, variables).await?;
                harvest.bytes += u64::try_from(reply.body.len()).unwrap_or(u64::MAX);
                let holder: Value = parse(expect_data(&Answer::of(&reply)?, "node")?)?;
                let rest: Rest =
                    serde_json::from_value(holder.get(nested.field).cloned().unwrap_or_default())
                        .map_err(|_| {
                        Error::busy(format!("shopify: `{}` changed while it was read", open.id))
                    })?;
                nodes.extend(rest.nodes);
                after = rest.page_info.end_cursor.filter(|_| rest.page_info.has_next_page);
            }
            nested::extend(&mut record, &open.pointer, nodes)?;
        }
        let text = record.to_string();
        if nested::may_be_open(&text) {
            return Err(Error::data("shopify: a connection goes on without a cursor".to_owned()));
        }
        Ok(text)
    }
}

/// A further page of a connection inside a node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rest {
    nodes: Vec<Value>,
    page_info: answer::PageInfo,
}

impl Harvest {
    fn new(stream: &Stream) -> Self {
        Self { decoder: Decoder::new(stream), bytes: 0, rows: 0 }
    }

    fn push(&mut self, record: &str, bytes: usize) {
        self.decoder.push(record, &[]);
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        self.rows += 1;
    }

    fn page(self, bookmark: Bookmark, more: bool) -> Result<Page> {
        let decoded = self.decoder.finish()?;
        Ok(Page { rows: decoded.rows, rejects: decoded.rejects, bookmark, more, bytes: self.bytes })
    }
}

/// A root field that must be there, of a query too small to be refused for its cost.
fn expect_data<'a>(answer: &Answer<'a>, field: &str) -> Result<&'a RawValue> {
    match answer.root(field)? {
        Outcome::Data(data) => Ok(data),
        Outcome::TooDear => {
            Err(Error::bug(format!("shopify: the query for `{field}` is too dear")))
        }
    }
}

fn updated_at(node: &RawValue) -> Option<DateTime<Utc>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Glance {
        #[serde(default)]
        updated_at: Option<DateTime<Utc>>,
    }
    serde_json::from_str::<Glance>(node.get()).ok()?.updated_at
}

/// How a stream is walked; none for the shop's own record.
fn walked(stream: &Stream) -> Option<(&'static Root, &'static Rules)> {
    match stream.name {
        "orders" => Some((&query::ORDERS, &progress::ORDERS)),
        "products" => Some((&query::PRODUCTS, &progress::PRODUCTS)),
        "customers" => Some((&query::CUSTOMERS, &progress::CUSTOMERS)),
        _ => None,
    }
}

#[async_trait]
impl Source for Shopify {
    fn name(&self) -> &'static str {
        "shopify"
    }

    fn streams(&self) -> &'static [Stream] {
        STREAMS
    }

    /// Reads the shop's own record: the cheapest call that needs a valid token.
    async fn check(&self) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shop {
            name: String,
            myshopify_domain: String,
        }
        let reply = self.ask(query::SHOP, json!({})).await?;
        let shop: Shop = parse(expect_data(&Answer::of(&reply)?, "shop")?)?;
        Ok(format!("Shopify shop `{}` ({})", shop.name, shop.myshopify_domain))
    }

    async fn read(&self, stream: &Stream, bookmark: &Bookmark, now: DateTime<Utc>) -> Result<Page> {
        match walked(stream) {
            Some(walked) => self.read_walk(stream, walked, bookmark, now).await,
            None if stream.name == "shop" => self.read_shop(stream, now).await,
            None => Err(Error::bug(format!("shopify has no stream `{}`", stream.name))),
        }
    }

    /// Saved GraphQL answers (`*.json`) and bulk-operation files (`*.jsonl`), by name. The pages
    /// carry an empty bookmark: a file says nothing about how far the shop itself was read.
    fn read_files(&self, stream: &Stream, dir: &Path) -> Result<Vec<Page>> {
        let gid = walked(stream).map_or("Shop", |(root, _)| root.gid);
        let mut pages = Vec::new();
        for path in saved::files(dir)? {
            let saved = saved::read(&path, gid)?;
            pages.extend(pages_of(stream, saved)?);
        }
        Ok(pages)
    }
}

/// Decodes the records of a file, a few thousand a page; its rejects come with the first page.
fn pages_of(stream: &Stream, saved: saved::Saved) -> Result<Vec<Page>> {
    let mut pages = Vec::new();
    for records in saved.records.chunks(SAVED_ROWS) {
        let mut harvest = Harvest::new(stream);
        for record in records {
            harvest.push(record, record.len());
        }
        pages.push(harvest.page(Bookmark::start(), true)?);
    }
    if pages.is_empty() && !saved.rejects.is_empty() {
        pages.push(Harvest::new(stream).page(Bookmark::start(), true)?);
    }
    if let Some(first) = pages.first_mut() {
        first.rejects.extend(saved.rejects);
    }
    if let Some(last) = pages.last_mut() {
        last.more = false;
    }
    Ok(pages)
}
