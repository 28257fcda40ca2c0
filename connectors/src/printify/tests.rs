//! Printify against its documented samples and a small server that speaks its wire.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use arrow::{
    array::{Array, AsArray},
    datatypes::Int64Type,
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::kit::{
    conformance::{Fixture, SECRET, World},
    fake::{Answer, Call},
};

/// Printify's envelope, for the suite that every source passes.
pub(crate) struct Wire;

impl Fixture for Wire {
    fn config(&self, base_url: &str) -> Value {
        json!({ "token": SECRET, "base_url": base_url, "rate_limit": false })
    }

    fn page_size(&self) -> usize {
        10
    }

    fn keys(&self, stream: &str, count: usize) -> usize {
        if stream == "shops" { 1 } else { count }
    }

    fn answer(&self, call: &Call, world: &World) -> Answer {
        let of = |name: &str, n: usize, id: Value| {
            let mut record = world.record(stream(name).record, n);
            record.insert("id".to_owned(), id);
            record
        };
        let listed = |name: &str| {
            let (page, limit) = (call.number("page").unwrap(), call.number("limit").unwrap());
            let data: Vec<_> = (0..world.count)
                .skip((page - 1) * limit)
                .take(limit)
                .map(|n| {
                    let mut record = of(name, n, json!(n.to_string()));
                    if name == "products" {
                        record.insert("blueprint_id".to_owned(), json!(n));
                        record.insert("print_provider_id".to_owned(), json!(9));
                    }
                    record
                })
                .collect();
            Answer::json(&json!({ "current_page": page, "data": data,
                "last_page": world.count.div_ceil(limit).max(1) }))
        };
        match call.path.as_str() {
            "/v1/shops.json" => Answer::json(&json!([of("shops", 0, json!(SHOP))])),
            "/v1/shops/77/orders.json" => listed("orders"),
            "/v1/shops/77/products.json" => listed("products"),
            path if path.starts_with("/v1/catalog/") => {
                Answer::json(&Value::Object(world.record(stream("shipping_profiles").record, 0)))
            }
            path => panic!("`{path}` is not asked for"),
        }
    }
}

const SHOP: u64 = 77;

/// The pretended account: its orders newest first, and the paths it was asked for.
#[derive(Debug, Default)]
struct Account {
    orders: Vec<Value>,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Account>>;

fn now() -> DateTime<Utc> {
    "2026-11-01T06:00:00Z".parse().unwrap()
}

fn order(id: &str, age_in_days: i64, status: &str) -> Value {
    let created = now() - TimeDelta::days(age_in_days);
    json!({
        "id": id,
        "status": status,
        "created_at": created.format("%Y-%m-%d %H:%M:%S+00:00").to_string(),
        "fulfilled_at": (status == "fulfilled").then(|| created.format("%Y-%m-%d %H:%M:%S+00:00").to_string()),
        "line_items": [{ "quantity": 1, "cost": 1050, "shipping_cost": 400 }],
    })
}

async fn answer(
    State(account): State<Shared>,
    headers: HeaderMap,
    uri: Uri,
) -> (StatusCode, String) {
    if headers.get("authorization").is_none_or(|v| v != "Bearer pat_right")
        || !headers.contains_key("user-agent")
    {
        return (StatusCode::UNAUTHORIZED, json!({ "error": "Unauthenticated" }).to_string());
    }
    let mut account = account.lock().unwrap();
    account.asked.push(uri.path().to_owned());
    let url = Url::parse(&format!("http://host{uri}")).unwrap();
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    let number = |name: &str| query.get(name).map_or(1, |text| text.parse::<usize>().unwrap());
    let listed = |all: &[Value]| {
        let (page, limit) = (number("page"), number("limit"));
        let data: Vec<&Value> = all.iter().skip((page - 1) * limit).take(limit).collect();
        json!({ "current_page": page, "data": data, "last_page": all.len().div_ceil(limit).max(1) })
    };
    let body = match uri.path() {
        "/printify/v1/shops.json" => {
            json!([{ "id": SHOP, "title": "Acme", "sales_channel": "shopify" }])
        }
        "/printify/v1/shops/77/orders.json" => {
            assert!(number("limit") <= 10);
            listed(&account.orders)
        }
        "/printify/v1/shops/77/products.json" => {
            assert!(number("limit") <= 50);
            let product = |n: u64| json!({ "id": n.to_string(), "blueprint_id": n % 2, "print_provider_id": 9 });
            listed(&(0..60).map(product).collect::<Vec<_>>())
        }
        "/printify/v1/catalog/blueprints/1/print_providers/9/shipping.json" => {
            json!({ "handling_time": { "value": 4, "unit": "day" }, "profiles": [
                { "variant_ids": [1, 2], "first_item": { "cost": 475, "currency": "USD" },
                  "additional_items": { "cost": 240, "currency": "USD" }, "countries": ["REST_OF_THE_WORLD"] }] })
        }
        path => {
            let id = path.rsplit('/').next().unwrap().trim_end_matches(".json");
            match account.orders.iter().find(|order| order["id"] == id) {
                Some(order) => order.clone(),
                None => return (StatusCode::NOT_FOUND, json!({ "status": "error" }).to_string()),
            }
        }
    };
    (StatusCode::OK, body.to_string())
}

async fn served(orders: Vec<Value>) -> (Printify, Shared) {
    let account = Arc::new(Mutex::new(Account { orders, asked: Vec::new() }));
    let app = Router::new().fallback(answer).with_state(Arc::clone(&account));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/printify", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let config = json!({ "token": "pat_right", "base_url": base, "rate_limit": false });
    (Printify::new(serde_json::from_value(config).unwrap()).unwrap(), account)
}

fn stream(name: &str) -> &'static Stream {
    STREAMS.iter().find(|stream| stream.name == name).unwrap()
}

/// Reads a whole night; every page is read twice and must come out the same.
async fn night(
    source: &Printify,
    name: &str,
    from: &Bookmark,
    now: DateTime<Utc>,
) -> (Vec<String>, Bookmark) {
    let mut bookmark = from.clone();
    let mut ids = Vec::new();
    loop {
        let page = source.read(stream(name), &bookmark, now).await.unwrap();
        let again = source.read(stream(name), &bookmark, now).await.unwrap();
        assert_eq!((&page.rows, &page.bookmark), (&again.rows, &again.bookmark));
        assert!(page.rejects.is_empty(), "{:?}", page.rejects);
        let column = page.rows.column_by_name(stream(name).key.last().unwrap()).unwrap();
        ids.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
        bookmark = page.bookmark;
        if !page.more {
            return (ids, bookmark);
        }
    }
}

#[tokio::test]
async fn a_night_reads_the_window_and_the_older_open_orders() {
    let mut orders: Vec<Value> = (0..300)
        .map(|age| order(&format!("o{age}"), age, if age == 200 { "on-hold" } else { "fulfilled" }))
        .collect();
    orders.push(order("forgotten", 400, "on-hold"));
    let (source, account) = served(orders).await;
    let (first, bookmark) = night(&source, "orders", &Bookmark::start(), now()).await;
    assert_eq!(first.len(), 301);
    assert!(bookmark.as_str().contains("o200"), "{}", bookmark.as_str());
    assert!(!bookmark.as_str().contains("forgotten"));

    // A new order comes in, the one on hold moves on.
    account.lock().unwrap().orders.insert(0, order("new", -1, "pending"));
    account.lock().unwrap().asked.clear();
    let (second, bookmark) = night(&source, "orders", &bookmark, now() + TimeDelta::days(1)).await;
    assert!(second.contains(&"new".to_owned()) && second.contains(&"o200".to_owned()));
    assert!(second.contains(&"o45".to_owned()) && !second.contains(&"o150".to_owned()));
    let asked = account.lock().unwrap().asked.clone();
    // Read twice by the test: two shop lists, and for each of them some pages and one order.
    assert_eq!(asked.iter().filter(|path| path.ends_with("/o200.json")).count(), 2);

    // A deleted order is no failure and is not asked for again.
    account.lock().unwrap().orders.retain(|order| order["id"] != "o200");
    let (_, bookmark) = night(&source, "orders", &bookmark, now() + TimeDelta::days(2)).await;
    assert!(!bookmark.as_str().contains("o200"));
}

#[tokio::test]
async fn products_and_profiles_are_read_whole() {
    let (source, account) = served(Vec::new()).await;
    let (products, bookmark) = night(&source, "products", &Bookmark::start(), now()).await;
    assert_eq!(products.len(), 60);
    let (again, _) = night(&source, "products", &bookmark, now() + TimeDelta::days(1)).await;
    assert_eq!(again.len(), 60);
    // Blueprint 0 is no longer in the catalog, which is no failure.
    let page = source.read(stream("shipping_profiles"), &Bookmark::start(), now()).await.unwrap();
    assert_eq!(page.rows.num_rows(), 1);
    assert_eq!(page.rows.column_by_name("blueprint_id").unwrap().as_string::<i32>().value(0), "1");
    let asked =
        account.lock().unwrap().asked.iter().filter(|path| path.contains("catalog")).count();
    assert_eq!(asked, 2);
    let (shops, _) = night(&source, "shops", &Bookmark::start(), now()).await;
    assert_eq!(shops, ["77"]);
    assert_eq!(source.check().await.unwrap(), "Printify, shops `Acme`");
}

#[test]
fn the_documented_orders_are_decoded_as_they_stand() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/specs/sources/printify/docs_sample_orders.json");
    let Ok(bytes) = fs_err::read(path) else {
        println!("skipped: Printify's samples do not lie beside the checkout");
        return;
    };
    let samples: BTreeMap<String, &RawValue> = serde_json::from_slice(&bytes).unwrap();
    let mut decoder = Decoder::new(stream("orders"));
    let listing: Listing<'_> = serde_json::from_str(samples["orders_page"].get()).unwrap();
    decoder.push(listing.data[0].get(), &["77"]);
    decoder.push(samples["submitted_on_hold"].get(), &["77"]);
    // This sample was printed without its id, which every order has.
    decoder.push(samples["canceled"].get(), &["77"]);
    let decoded = decoder.finish().unwrap();
    assert_eq!(decoded.rows.num_rows(), 2);
    assert_eq!(decoded.rejects[0].pointer, "/id");
    let metadata = decoded.rows.column_by_name("metadata").unwrap().as_struct().clone();
    let shop_order_id =
        metadata.column_by_name("shop_order_id").unwrap().as_string::<i32>().clone();
    assert_eq!(shop_order_id.value(0), "1370762297");
    let tax = decoded.rows.column_by_name("total_tax").unwrap().as_primitive::<Int64Type>().clone();
    assert_eq!(tax.value(1), 0);
    assert!(decoded.rows.column_by_name("_extra").unwrap().is_null(0));
}
