//! Printify's orders: the list down to its floor, then the older open ones by id, shop by shop.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AT_ONCE, Listing, Printify, page, parse, size};
use crate::{
    Bookmark, Error, Page, Result, Stream,
    kit::{
        decode::Decoder,
        http::Reply,
        newest_first::{Life, Mark, Sweep},
    },
};

const PAGE_SIZE: usize = 10; // the most Printify returns
/// Calls whose rows share a page of ours: each of theirs would be a bookmark of ten rows.
const CALLS: u64 = 10;

/// The bookmark: where each shop stands, and the night under way.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Book {
    /// What the last finished night left, by shop.
    #[serde(default)]
    marks: BTreeMap<u64, Mark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    night: Option<Night>,
}

/// A night under way.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Night {
    /// Shops still to read; the first one is being read.
    shops: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sweep: Option<Sweep>,
}

/// What the walk needs to know of an order, apart from its columns.
#[derive(Debug, Deserialize)]
struct Glance {
    id: String,
    #[serde(default)]
    status: Option<String>,
    created_at: String,
    #[serde(default)]
    fulfilled_at: Option<String>,
}

impl Printify {
    pub(super) async fn read_orders(
        &self,
        stream: &Stream,
        bookmark: &Bookmark,
        now: DateTime<Utc>,
    ) -> Result<Page> {
        let mut book: Book = bookmark.parse()?;
        let mut night = match book.night.take() {
            Some(night) => night,
            None => Night { shops: self.shop_ids().await?, sweep: None },
        };
        let mut decoder = Decoder::new(stream);
        let mut bytes = 0;
        if let Some(&shop) = night.shops.first() {
            let mut sweep = night
                .sweep
                .take()
                .unwrap_or_else(|| Sweep::begin(book.marks.get(&shop), self.start, 1, now));
            let replies = if sweep.listed {
                self.older_orders(shop, &mut sweep).await?
            } else {
                self.listed_orders(shop, &mut sweep).await?
            };
            let context = [shop.to_string()];
            let context: Vec<&str> = context.iter().map(String::as_str).collect();
            for reply in &replies {
                bytes += size(reply);
                for order in records(reply)? {
                    if let Ok(glance) = serde_json::from_str::<Glance>(order.get())
                        && let Some((created_at, life)) = glance.life()
                    {
                        sweep.note(&glance.id, created_at, life);
                    }
                    decoder.push(order.get(), &context);
                }
            }
            if sweep.is_done() {
                book.marks.insert(shop, sweep.finish());
                night.shops.remove(0);
            } else {
                night.sweep = Some(sweep);
            }
        }
        let more = !night.shops.is_empty();
        book.night = more.then_some(night);
        page(decoder, Bookmark::of(&book)?, more, bytes)
    }

    /// The next pages of the list; says so in the sweep when the floor or the end is reached.
    async fn listed_orders(&self, shop: u64, sweep: &mut Sweep) -> Result<Vec<Reply>> {
        let first = self.orders_page(shop, sweep.position).await?;
        let listing: Listing<'_> = parse(&first)?;
        let end = listing.last_page.unwrap_or(sweep.position);
        let is_last = |listing: &Listing<'_>| {
            listing.data.is_empty()
                || (listing.last_page.is_none() && listing.data.len() < PAGE_SIZE)
                || sweep.is_past(newest(&listing.data))
        };
        let ended = is_last(&listing);
        let until = if ended { sweep.position } else { end.min(sweep.position + CALLS - 1) };
        let mut replies = vec![first];
        let rest: Vec<Reply> = stream::iter(sweep.position + 1..=until)
            .map(|number| self.orders_page(shop, number))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut listed = ended;
        for reply in &rest {
            listed |= is_last(&parse(reply)?);
        }
        replies.extend(rest);
        // A paginator that does not tell its last page is read one page at a time.
        let knows_end = parse::<Listing<'_>>(replies.last().ok_or_else(none)?)?.last_page;
        sweep.listed = listed || knows_end.is_some_and(|last| until >= last);
        sweep.position = until + 1;
        Ok(replies)
    }

    async fn orders_page(&self, shop: u64, number: u64) -> Result<Reply> {
        self.http
            .get(&format!("/v1/shops/{shop}/orders.json"))
            .query("limit", PAGE_SIZE)
            .query("page", number)
            .send()
            .await
    }

    /// The next handful of older orders; one that is gone stays as it was last seen.
    async fn older_orders(&self, shop: u64, sweep: &mut Sweep) -> Result<Vec<Reply>> {
        let ids = sweep.take_refetch(PAGE_SIZE * usize::try_from(CALLS).unwrap_or(1));
        let replies: Vec<Reply> = stream::iter(ids)
            .map(|id| async move {
                self.http.get(&format!("/v1/shops/{shop}/orders/{id}.json")).send().await
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(replies.into_iter().filter(|reply| reply.status != 404).collect())
    }
}

/// The orders of a page, or the one order of an answer.
fn records(reply: &Reply) -> Result<Vec<&RawValue>> {
    match serde_json::from_slice::<Listing<'_>>(&reply.body) {
        Ok(listing) => Ok(listing.data),
        Err(_) => Ok(vec![parse(reply)?]),
    }
}

/// When the newest of these orders was created.
fn newest(orders: &[&RawValue]) -> Option<DateTime<Utc>> {
    orders
        .iter()
        .filter_map(|order| serde_json::from_str::<Glance>(order.get()).ok())
        .filter_map(|glance| time(&glance.created_at))
        .max()
}

impl Glance {
    /// When it was created and whether it may still change.
    fn life(&self) -> Option<(DateTime<Utc>, Life)> {
        let life = match self.status.as_deref().unwrap_or_default() {
            "canceled" => Life::Settled,
            "fulfilled" => Life::Ended(self.fulfilled_at.as_deref().and_then(time)),
            _ => Life::Open,
        };
        Some((time(&self.created_at)?, life))
    }
}

/// Printify writes `2017-04-18 13:24:28+00:00`.
fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%:z")
        .or_else(|_| DateTime::parse_from_rfc3339(text))
        .ok()
        .map(|at| at.to_utc())
}

fn none() -> Error {
    Error::bug("printify: no page was read".to_owned())
}
