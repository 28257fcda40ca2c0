//! Shopify's walks against a small server that speaks its wire: cursors, refusals, nested pages.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use arrow::array::{Array, AsArray};
use axum::{Router, extract::State, http::HeaderMap, response::IntoResponse, routing::post};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::*;
use crate::kit::http::waits;

/// The pretended shop: how many orders, what is refused, and what it was asked.
#[derive(Debug, Default)]
struct Shop {
    orders: usize,
    throttle_next: bool,
    /// What each answer says is left in the bucket.
    left: Option<u64>,
    dearest: Option<u64>,
    warn: bool,
    asked: Vec<Value>,
}

type Shared = Arc<Mutex<Shop>>;

fn order(number: usize) -> Value {
    let more = number == 2;
    json!({
        "id": format!("gid://shopify/Order/{number}"),
        "updatedAt": format!("2026-10-{number:02}T00:00:00Z"),
        "lineItems": {
            "nodes": [{ "id": format!("gid://shopify/LineItem/{number}") }],
            "pageInfo": { "hasNextPage": more, "endCursor": "item 1" },
        },
    })
}

fn more_items(after: &str) -> Value {
    let last = after != "item 1";
    json!({ "data": { "node": { "id": "gid://shopify/Order/2", "lineItems": {
        "nodes": [{ "id": if last { "gid://shopify/LineItem/22" } else { "gid://shopify/LineItem/21" } }],
        "pageInfo": { "hasNextPage": !last, "endCursor": "item 2" },
    } } } })
}

async fn graphql(
    State(shop): State<Shared>,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse {
    let mut shop = shop.lock().unwrap();
    let version = [("x-shopify-api-version", "2026-10")];
    if headers.get("x-shopify-access-token").is_none_or(|token| token != "shpat_right") {
        let refusal = json!({ "errors": "[API] Invalid API key or access token" });
        return (axum::http::StatusCode::UNAUTHORIZED, version, refusal.to_string());
    }
    let asked: Value = serde_json::from_str(&body).unwrap();
    let variables = asked["variables"].clone();
    let query = asked["query"].as_str().unwrap().to_owned();
    shop.asked.push(variables.clone());
    let first = variables["first"].as_u64().unwrap_or(0);
    let answer = if std::mem::take(&mut shop.throttle_next) {
        json!({ "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
            "extensions": { "cost": { "requestedQueryCost": 10, "throttleStatus":
                { "maximumAvailable": 2000.0, "currentlyAvailable": 9, "restoreRate": 100.0 } } } })
    } else if query.starts_with("query Shop") {
        json!({ "data": { "shop": { "id": "gid://shopify/Shop/1", "name": "Acme",
            "myshopifyDomain": "acme.myshopify.com", "currencyCode": "USD", "ianaTimezone": "UTC" } } })
    } else if query.starts_with("query Rest") {
        more_items(variables["after"].as_str().unwrap())
    } else if shop.dearest.is_some_and(|dearest| first > dearest) {
        json!({ "data": null, "errors": [{ "message": "Query cost is 1001",
            "extensions": { "code": "MAX_COST_EXCEEDED" } }] })
    } else {
        let from = variables["after"].as_str().map_or(0, |after| after.parse::<usize>().unwrap());
        let until = shop.orders.min(from + usize::try_from(first).unwrap());
        let warnings = if shop.warn {
            json!([{ "field": "updated_at", "message": "Invalid search field for this query." }])
        } else {
            json!([])
        };
        json!({ "data": { "orders": {
            "nodes": (from..until).map(|n| order(n + 1)).collect::<Vec<_>>(),
            "pageInfo": { "hasNextPage": until < shop.orders, "endCursor": until.to_string() },
        } }, "extensions": {
            "search": [{ "path": ["orders"], "query": "..", "warnings": warnings }],
            "cost": shop.left.map(|left| json!({ "requestedQueryCost": 900, "throttleStatus":
                { "maximumAvailable": 2000.0, "currentlyAvailable": left, "restoreRate": 100.0 } })),
        } })
    };
    (axum::http::StatusCode::OK, version, answer.to_string())
}

async fn served(shop: Shop, token: &str) -> (Shopify, Shared) {
    let shop = Arc::new(Mutex::new(shop));
    let app = Router::new()
        .route("/shopify/admin/api/2026-10/graphql.json", post(graphql))
        .with_state(Arc::clone(&shop));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/shopify", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let config = json!({ "shop": "acme.myshopify.com", "token": token, "base_url": base });
    let source = Shopify::new(serde_json::from_value(config).unwrap()).unwrap();
    (source, shop)
}

fn orders() -> &'static Stream {
    STREAMS.iter().find(|stream| stream.name == "orders").unwrap()
}

fn ids(page: &Page) -> Vec<&str> {
    let column = page.rows.column_by_name("id").unwrap().as_string::<i32>();
    column.iter().flatten().collect()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_walk_reads_every_order_and_completes_what_goes_on() {
    let (source, shop) =
        served(Shop { orders: 9, throttle_next: true, ..Shop::default() }, "shpat_right").await;
    let now = at("2026-11-01T06:00:00Z");
    let page = source.read(orders(), &Bookmark::start(), now).await.unwrap();
    assert!(!page.more);
    assert_eq!(ids(&page).len(), 9);
    assert!(page.rejects.is_empty());
    let items = page.rows.column_by_name("lineItems").unwrap().as_list::<i32>().clone();
    assert_eq!(items.value(1).len(), 3, "two more pages of line items");
    // The bookmark alone decides: the same page again is the same page.
    let again = source.read(orders(), &Bookmark::start(), now).await.unwrap();
    assert_eq!((again.rows, again.bookmark), (page.rows, page.bookmark.clone()));
    // The next night begins a day behind the newest change, up to its own frozen end.
    source.read(orders(), &page.bookmark, at("2026-11-02T06:00:00Z")).await.unwrap();
    let search = shop
        .lock()
        .unwrap()
        .asked
        .iter()
        .rev()
        .find_map(|v| v["query"].as_str().map(str::to_owned));
    assert_eq!(
        search.unwrap(),
        "updated_at:>='2026-10-08T00:00:00Z' AND updated_at:<'2026-11-02T05:58:00Z'"
    );
}

#[tokio::test]
async fn a_query_found_too_dear_is_asked_for_less() {
    let (source, shop) =
        served(Shop { orders: 5, dearest: Some(1), ..Shop::default() }, "shpat_right").await;
    let page = source.read(orders(), &Bookmark::start(), at("2026-11-01T06:00:00Z")).await.unwrap();
    assert_eq!(ids(&page).len(), 5);
    let firsts: Vec<u64> = shop
        .lock()
        .unwrap()
        .asked
        .iter()
        .filter(|v| v["query"].is_string())
        .filter_map(|v| v["first"].as_u64())
        .collect();
    assert_eq!(firsts, [4, 2, 1, 1, 1, 1, 1]);
}

#[tokio::test]
async fn a_long_walk_is_cut_into_pages_that_can_be_read_again() {
    let (source, _) = served(Shop { orders: 250, ..Shop::default() }, "shpat_right").await;
    let now = at("2026-11-01T06:00:00Z");
    let mut bookmark = Bookmark::start();
    let mut seen = Vec::new();
    loop {
        let page = source.read(orders(), &bookmark, now).await.unwrap();
        let again = source.read(orders(), &bookmark, now).await.unwrap();
        assert_eq!(page.bookmark, again.bookmark);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        bookmark = page.bookmark;
        if !page.more {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    // Days over 31 are no instants: those rows are set aside by the decoder, none is skipped.
    assert_eq!(seen.len(), 31);
}

#[tokio::test]
async fn a_search_that_was_not_understood_stops_the_run() {
    let (source, _) =
        served(Shop { orders: 1, warn: true, ..Shop::default() }, "shpat_right").await;
    let error =
        source.read(orders(), &Bookmark::start(), at("2026-11-01T06:00:00Z")).await.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Data);
    assert!(error.to_string().contains("`updated_at`"), "{error}");
}

#[tokio::test]
async fn a_refused_token_is_told_in_shopify_s_words() {
    let (source, _) = served(Shop::default(), "shpat_wrong").await;
    let error = source.check().await.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Access);
    assert!(error.to_string().contains("Invalid API key"), "{error}");
    assert!(!format!("{source:?} {error:?}").contains("shpat_wrong"));
    let (source, _) = served(Shop::default(), "shpat_right").await;
    assert_eq!(source.check().await.unwrap(), "Shopify shop `Acme` (acme.myshopify.com)");
}

#[tokio::test]
async fn a_call_waits_until_the_bucket_holds_it() {
    let thirsty = Shop { orders: 9, left: Some(400), ..Shop::default() };
    let (source, _) = served(thirsty, "shpat_right").await;
    waits::take();
    source.read(orders(), &Bookmark::start(), at("2026-11-01T06:00:00Z")).await.unwrap();
    // 500 of 900 points are missing and 100 come back a second; the first call knows nothing yet.
    let waits = waits::take();
    assert_eq!(waits.len(), 2, "{waits:?}");
    let bounds = Duration::from_millis(4_500)..=Duration::from_millis(5_001);
    assert!(waits.iter().all(|wait| bounds.contains(wait)), "{waits:?}");
}
