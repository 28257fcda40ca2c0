//! Printful's orders: the list down to its floor, then the older open ones by id.

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AT_ONCE, Envelope, Printful, advance, page, parse, size};
use crate::{
    Bookmark, Page, Result, Stream,
    kit::{
        decode::Decoder,
        newest_first::{Life, Mark, Sweep},
    },
};

const PAGE_SIZE: u64 = 100; // the most Printful returns
/// Orders fetched by id in one page of ours.
const REFETCH: usize = 50;

/// The bookmark: what the last finished night left, and the night under way.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<Mark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    night: Option<Sweep>,
}

/// What the walk needs to know of an order, apart from its columns.
#[derive(Debug, Deserialize)]
struct Glance {
    id: u64,
    #[serde(default)]
    status: Option<String>,
    created: i64,
    #[serde(default)]
    updated: Option<i64>,
}

impl Printful {
    pub(super) async fn read_orders(
        &self,
        stream: &Stream,
        bookmark: &Bookmark,
        now: DateTime<Utc>,
    ) -> Result<Page> {
        let mut book: Book = bookmark.parse()?;
        let mut sweep = match book.night.take() {
            Some(sweep) => sweep,
            None => Sweep::begin(book.mark.as_ref(), None, 0, now),
        };
        let mut decoder = Decoder::new(stream);
        let bytes = if sweep.listed {
            self.older_orders(&mut sweep, &mut decoder).await?
        } else {
            self.listed_orders(&mut sweep, &mut decoder).await?
        };
        let more = !sweep.is_done();
        if more {
            book.night = Some(sweep);
        } else {
            book.mark = Some(sweep.finish());
        }
        page(decoder, Bookmark::of(&book)?, more, bytes)
    }

    /// The next hundred of the list.
    async fn listed_orders(&self, sweep: &mut Sweep, decoder: &mut Decoder) -> Result<u64> {
        let reply = self
            .http
            .get("/orders")
            .query("offset", sweep.position)
            .query("limit", PAGE_SIZE)
            .send()
            .await?;
        let answer: Envelope<Vec<&RawValue>> = parse(&reply)?;
        let mut newest = None;
        for order in &answer.result {
            newest = newest.max(take(order, sweep, decoder));
        }
        let count = advance(answer.result.len(), PAGE_SIZE);
        sweep.position += count;
        let is_end = match answer.paging {
            Some(paging) => sweep.position >= paging.total,
            None => count < PAGE_SIZE,
        };
        sweep.listed = count == 0 || is_end || sweep.is_past(newest);
        Ok(size(&reply))
    }

    /// The next handful of older orders; one that is gone stays as it was last seen.
    async fn older_orders(&self, sweep: &mut Sweep, decoder: &mut Decoder) -> Result<u64> {
        let replies: Vec<_> = stream::iter(sweep.take_refetch(REFETCH))
            .map(|id| async move { self.http.get(&format!("/orders/{id}")).send().await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut bytes = 0;
        for reply in replies.iter().filter(|reply| reply.status != 404) {
            bytes += size(reply);
            let order: Envelope<&RawValue> = parse(reply)?;
            take(order.result, sweep, decoder);
        }
        Ok(bytes)
    }
}

/// Decodes one order and notes whether it has to be asked for again; tells when it was created.
fn take(order: &RawValue, sweep: &mut Sweep, decoder: &mut Decoder) -> Option<DateTime<Utc>> {
    decoder.push(order.get(), &[]);
    let glance: Glance = serde_json::from_str(order.get()).ok()?;
    let created_at = DateTime::from_timestamp(glance.created, 0)?;
    sweep.note(&glance.id.to_string(), created_at, glance.life());
    Some(created_at)
}

impl Glance {
    fn life(&self) -> Life {
        match self.status.as_deref().unwrap_or_default() {
            "canceled" => Life::Settled,
            // A reshipment comes after the end and moves `updated`.
            "fulfilled" | "archived" => {
                Life::Ended(self.updated.and_then(|at| DateTime::from_timestamp(at, 0)))
            }
            _ => Life::Open,
        }
    }
}
