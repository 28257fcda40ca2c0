//! Printful's store products and the catalog products behind them: read whole each night.
//!
//! The list of store products lacks the variants, so each product is one call more. Which catalog
//! products a store uses is only told by those variants: the night of `catalog_products` walks
//! them first, a handful a page, and then asks for each catalog product once.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AT_ONCE, Envelope, Printful, advance, page, parse, size};
use crate::{
    Bookmark, Error, Page, Result, Stream,
    kit::{
        decode::Decoder,
        http::Reply,
        snapshot::{Night, Snapshot},
    },
};

/// Products whose details share a page of ours.
const PAGE_SIZE: u64 = 20;

/// How far the night of `catalog_products` has come.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    /// Where the walk over the store's products goes on; none once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// Catalog products found and not yet asked for.
    products: BTreeSet<u64>,
}

/// A handful of store products with their variants.
struct Handful {
    details: Vec<Reply>,
    /// Where the list goes on.
    next: Option<u64>,
}

impl Printful {
    /// A stretch of the store's products, and the path at which the store has them: a store that
    /// is connected to a shop platform refuses `/store` with 400 and answers under `/sync`.
    pub(super) async fn store_products(
        &self,
        offset: u64,
        limit: u64,
    ) -> Result<(&'static str, Reply)> {
        for path in ["/store/products", "/sync/products"] {
            let reply =
                self.http.get(path).query("offset", offset).query("limit", limit).send().await?;
            if reply.status != 400 {
                return Ok((path, reply));
            }
        }
        Err(Error::data("printful: the store lists no products".to_owned()))
    }

    pub(super) async fn read_store_products(
        &self,
        stream: &Stream,
        bookmark: &Bookmark,
        now: DateTime<Utc>,
    ) -> Result<Page> {
        let mut snapshot: Snapshot<u64> = bookmark.parse()?;
        let night = snapshot.night.take().unwrap_or(Night { began_at: now, left: 0 });
        let handful = self.handful(night.left).await?;
        let mut decoder = Decoder::new(stream);
        let mut bytes = 0;
        for reply in &handful.details {
            bytes += size(reply);
            let detail: Envelope<Map<String, Value>> = parse(reply)?;
            decoder.push(&merged(detail.result, "sync_product", "sync_variants")?, &[]);
        }
        let more = handful.next.is_some();
        let bookmark = Bookmark::of(&snapshot.after(night.began_at, handful.next))?;
        page(decoder, bookmark, more, bytes)
    }

    /// The details of the next store products; one deleted meanwhile is left out.
    async fn handful(&self, offset: u64) -> Result<Handful> {
        #[derive(Deserialize)]
        struct Listed {
            id: u64,
        }
        let (path, reply) = self.store_products(offset, PAGE_SIZE).await?;
        let listed: Envelope<Vec<Listed>> = parse(&reply)?;
        let count = advance(listed.result.len(), PAGE_SIZE);
        let next = offset + count;
        let is_end = match listed.paging {
            Some(paging) => next >= paging.total,
            None => count < PAGE_SIZE,
        };
        let details: Vec<Reply> = stream::iter(listed.result)
            .map(|Listed { id }| async move { self.http.get(&format!("{path}/{id}")).send().await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(Handful {
            details: details.into_iter().filter(|reply| reply.status != 404).collect(),
            next: (count > 0 && !is_end).then_some(next),
        })
    }

    pub(super) async fn read_catalog_products(
        &self,
        stream: &Stream,
        bookmark: &Bookmark,
        now: DateTime<Utc>,
    ) -> Result<Page> {
        let mut snapshot: Snapshot<Catalog> = bookmark.parse()?;
        let Night { began_at, mut left } = snapshot.night.take().unwrap_or_else(|| Night {
            began_at: now,
            left: Catalog { offset: Some(0), products: BTreeSet::new() },
        });
        let mut decoder = Decoder::new(stream);
        let mut bytes = 0;
        if let Some(offset) = left.offset {
            let handful = self.handful(offset).await?;
            for reply in &handful.details {
                bytes += size(reply);
                left.products.extend(catalog_products(reply)?);
            }
            left.offset = handful.next;
        } else {
            for reply in &self.catalog(&mut left.products).await? {
                // A product that Printful no longer offers: the last answer stays.
                if reply.status == 404 {
                    continue;
                }
                bytes += size(reply);
                let detail: Envelope<Map<String, Value>> = parse(reply)?;
                decoder.push(&merged(detail.result, "product", "variants")?, &[]);
            }
        }
        let more = left.offset.is_some() || !left.products.is_empty();
        let bookmark = Bookmark::of(&snapshot.after(began_at, more.then_some(left)))?;
        page(decoder, bookmark, more, bytes)
    }

    /// Asks for the next of these products and takes them off.
    async fn catalog(&self, products: &mut BTreeSet<u64>) -> Result<Vec<Reply>> {
        let mut taken = Vec::new();
        while taken.len() < usize::try_from(PAGE_SIZE).unwrap_or(1)
            && let Some(id) = products.pop_first()
        {
            taken.push(id);
        }
        stream::iter(taken)
            .map(|id| async move { self.http.get(&format!("/products/{id}")).send().await })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }
}

/// Ids of the catalog products behind a store product's variants.
fn catalog_products(reply: &Reply) -> Result<Vec<u64>> {
    #[derive(Deserialize)]
    struct Detail {
        #[serde(default)]
        sync_variants: Vec<SyncVariant>,
    }
    #[derive(Deserialize)]
    struct SyncVariant {
        #[serde(default)]
        product: Option<Product>,
    }
    #[derive(Deserialize)]
    struct Product {
        product_id: u64,
    }
    let detail: Envelope<Detail> = parse(reply)?;
    let products = detail.result.sync_variants.into_iter().filter_map(|variant| variant.product);
    Ok(products.map(|product| product.product_id).collect())
}

/// A detail answer holds the product and its variants side by side; one record holds both.
pub(super) fn merged(
    mut detail: Map<String, Value>,
    product: &str,
    variants: &str,
) -> Result<String> {
    let Some(Value::Object(mut record)) = detail.shift_remove(product) else {
        return Err(Error::data(format!("printful: an answer has no `{product}`")));
    };
    record.insert(variants.to_owned(), detail.shift_remove(variants).unwrap_or_default());
    Ok(Value::Object(record).to_string())
}
