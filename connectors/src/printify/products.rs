//! Printify's products and the shipping profiles of what they are made of: read whole each night.
//!
//! A product's costs change without a sign, and a shipping profile has no date at all.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AT_ONCE, Listing, Printify, page, parse, size};
use crate::{
    Bookmark, Page, Result, Stream,
    kit::{
        decode::Decoder,
        http::Reply,
        snapshot::{Night, Snapshot},
    },
};

const PAGE_SIZE: usize = 50; // the most Printify returns
/// Pairs asked for in one page of ours.
const PAIRS: usize = 20;

/// Products: the shops still to read, the first one from this page on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shelf {
    shops: Vec<u64>,
    page: u64,
}

impl Printify {
    pub(super) async fn read_products(
        &self,
        stream: &Stream,
        bookmark: &Bookmark,
        now: DateTime<Utc>,
    ) -> Result<Page> {
        let mut snapshot: Snapshot<Shelf> = bookmark.parse()?;
        let Night { began_at, left: mut shelf } = match snapshot.night.take() {
            Some(night) => night,
            None => Night { began_at: now, left: Shelf { shops: self.shop_ids().await?, page: 1 } },
        };
        let mut decoder = Decoder::new(stream);
        let mut bytes = 0;
        if let Some(&shop) = shelf.shops.first() {
            let reply = self.products_page(shop, shelf.page).await?;
            let listing: Listing<'_> = parse(&reply)?;
            bytes = size(&reply);
            let shop = shop.to_string();
            for product in &listing.data {
                decoder.push(product.get(), &[&shop]);
            }
            if listing.is_last(shelf.page) {
                shelf.shops.remove(0);
                shelf.page = 1;
            } else {
                shelf.page += 1;
            }
        }
        let more = !shelf.shops.is_empty();
        let bookmark = Bookmark::of(&snapshot.after(began_at, more.then_some(shelf)))?;
        page(decoder, bookmark, more, bytes)
    }

    async fn products_page(&self, shop: u64, number: u64) -> Result<Reply> {
        self.http
            .get(&format!("/v1/shops/{shop}/products.json"))
            .query("limit", PAGE_SIZE)
            .query("page", number)
            .send()
            .await
    }

    pub(super) async fn read_shipping_profiles(
        &self,
        stream: &Stream,
        bookmark: &Bookmark,
        now: DateTime<Utc>,
    ) -> Result<Page> {
        // The pairs still to ask for.
        let mut snapshot: Snapshot<Vec<(u64, u64)>> = bookmark.parse()?;
        let Night { began_at, left: mut pairs } = match snapshot.night.take() {
            Some(night) => night,
            None => Night { began_at: now, left: self.pairs_in_use().await? },
        };
        let taken: Vec<(u64, u64)> = pairs.drain(..PAIRS.min(pairs.len())).collect();
        let answers: Vec<((u64, u64), Reply)> = stream::iter(taken)
            .map(|pair| async move { self.profile(pair).await.map(|reply| (pair, reply)) })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut decoder = Decoder::new(stream);
        let mut bytes = 0;
        for ((blueprint, provider), reply) in &answers {
            // A provider that no longer makes this product: the last profile stays.
            if reply.status == 404 {
                continue;
            }
            bytes += size(reply);
            let record: &RawValue = parse(reply)?;
            decoder.push(record.get(), &[&blueprint.to_string(), &provider.to_string()]);
        }
        let more = !pairs.is_empty();
        let bookmark = Bookmark::of(&snapshot.after(began_at, more.then_some(pairs)))?;
        page(decoder, bookmark, more, bytes)
    }

    async fn profile(&self, (blueprint, provider): (u64, u64)) -> Result<Reply> {
        self.catalog
            .get(&format!(
                "/v1/catalog/blueprints/{blueprint}/print_providers/{provider}/shipping.json"
            ))
            .send()
            .await
    }

    /// Every (blueprint, print provider) that a product of any shop is made of.
    async fn pairs_in_use(&self) -> Result<Vec<(u64, u64)>> {
        #[derive(Deserialize)]
        struct Product {
            blueprint_id: u64,
            print_provider_id: u64,
        }
        let mut pairs = BTreeSet::new();
        for shop in self.shop_ids().await? {
            let mut number = 1;
            loop {
                let reply = self.products_page(shop, number).await?;
                let listing: Listing<'_> = parse(&reply)?;
                for product in &listing.data {
                    if let Ok(product) = serde_json::from_str::<Product>(product.get()) {
                        pairs.insert((product.blueprint_id, product.print_provider_id));
                    }
                }
                if listing.is_last(number) {
                    break;
                }
                number += 1;
            }
        }
        Ok(pairs.into_iter().collect())
    }
}

impl Listing<'_> {
    /// Whether this page of products is the last one.
    fn is_last(&self, number: u64) -> bool {
        match self.last_page {
            Some(last) => number >= last,
            None => self.data.len() < PAGE_SIZE,
        }
    }
}
