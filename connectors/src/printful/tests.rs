//! Printful against the examples of its own specification and a small server that speaks its wire.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use arrow::array::{Array, AsArray};
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

/// Printful's envelope, for the suite that every source passes.
pub(crate) struct Wire;

impl Fixture for Wire {
    fn config(&self, base_url: &str) -> Value {
        json!({ "token": SECRET, "store_id": 4242, "base_url": base_url, "rate_limit": false })
    }

    fn page_size(&self) -> usize {
        20
    }

    fn answer(&self, call: &Call, world: &World) -> Answer {
        let of = |name: &str, n: usize| {
            let mut record = world.record(stream(name).record, n);
            record.insert("id".to_owned(), json!(n));
            record
        };
        let result = |result: Value| Answer::json(&json!({ "code": 200, "result": result }));
        let listed = |name: &str| {
            let (offset, limit) = (call.number("offset").unwrap(), call.number("limit").unwrap());
            let rows: Vec<_> =
                (0..world.count).skip(offset).take(limit).map(|n| of(name, n)).collect();
            Answer::json(&json!({ "code": 200, "result": rows,
                "paging": { "total": world.count, "offset": offset, "limit": limit } }))
        };
        let id = || call.path.rsplit('/').next().unwrap().parse::<usize>().unwrap();
        match call.path.as_str() {
            "/orders" => listed("orders"),
            "/store/products" => listed("store_products"),
            path if path.starts_with("/store/products/") => {
                let mut product = of("store_products", id());
                let mut variants = product.shift_remove("sync_variants").unwrap();
                if let Some(variant) = variants.get_mut(0) {
                    variant["product"]["product_id"] = json!(id());
                } else {
                    variants = json!([{ "product": { "product_id": id() } }]);
                }
                result(json!({ "sync_product": product, "sync_variants": variants }))
            }
            path if path.starts_with("/products/") => {
                let mut product = of("catalog_products", id());
                let variants = product.shift_remove("variants").unwrap();
                result(json!({ "product": product, "variants": variants }))
            }
            path => panic!("`{path}` is not asked for"),
        }
    }
}

/// The pretended store: its orders newest first, where its products are, what it was asked for.
#[derive(Debug, Default)]
struct Store {
    orders: Vec<Value>,
    is_connected: bool,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Store>>;

fn now() -> DateTime<Utc> {
    "2026-11-01T06:00:00Z".parse().unwrap()
}

fn order(id: u64, age_in_days: i64, status: &str) -> Value {
    let created = (now() - TimeDelta::days(age_in_days)).timestamp();
    json!({ "id": id, "external_id": "1001", "status": status, "created": created, "updated": created,
        "costs": { "currency": "USD", "subtotal": "10.00", "tax": null }, "retail_costs": null })
}

fn refused(status: u16, reason: &str, message: &str) -> (StatusCode, String) {
    let body = json!({ "code": status, "result": message, "error": { "reason": reason, "message": message } });
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

async fn answer(State(store): State<Shared>, headers: HeaderMap, uri: Uri) -> (StatusCode, String) {
    if headers.get("authorization").is_none_or(|value| value != "Bearer pf_right") {
        return refused(401, "Unauthorized", "Invalid token");
    }
    assert_eq!(headers.get("x-pf-store-id").unwrap(), "4242");
    let mut store = store.lock().unwrap();
    store.asked.push(uri.path().to_owned());
    let url = Url::parse(&format!("http://host{uri}")).unwrap();
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    let number = |name: &str| query.get(name).map_or(0, |text| text.parse::<usize>().unwrap());
    let listed = |all: &[Value]| {
        let rows: Vec<&Value> = all.iter().skip(number("offset")).take(number("limit")).collect();
        json!({ "code": 200, "result": rows, "paging": { "total": all.len(), "offset": number("offset"), "limit": number("limit") } })
    };
    let path = uri.path().trim_start_matches("/printful").to_owned();
    let id = || path.rsplit('/').next().unwrap().parse::<u64>().unwrap();
    if store.is_connected && path.starts_with("/store/") {
        return refused(
            400,
            "BadRequest",
            "This API endpoint applies only to manual order stores.",
        );
    }
    let body = match path.as_str() {
        "/orders" => listed(&store.orders),
        "/store/products" | "/sync/products" => {
            let product = |id: u64| json!({ "id": id, "name": "Tee" });
            listed(&(1..=45).map(product).collect::<Vec<_>>())
        }
        _ if path.starts_with("/orders/") => {
            match store.orders.iter().find(|order| order["id"] == id()) {
                Some(order) => json!({ "code": 200, "result": order }),
                None => return refused(404, "NotFound", "Not found"),
            }
        }
        _ if path.contains("/products/") && !path.starts_with("/products/") => {
            json!({ "code": 200, "result": {
            "sync_product": { "id": id(), "name": "Tee", "variants": 1, "synced": 1, "is_ignored": false },
            "sync_variants": [{ "id": id() * 10, "sku": "TEE-M", "retail_price": "21.00", "currency": "USD",
                "product": { "variant_id": 4012, "product_id": 71 + id() % 2, "name": "Tee (M)" } }] } })
        }
        "/products/71" => json!({ "code": 200, "result": {
            "product": { "id": 71, "title": "Unisex Tee", "currency": "USD" },
            "variants": [{ "id": 4012, "product_id": 71, "price": "9.85", "in_stock": true }] } }),
        _ => return refused(404, "NotFound", "Not found"),
    };
    (StatusCode::OK, body.to_string())
}

async fn served(orders: Vec<Value>, is_connected: bool, token: &str) -> (Printful, Shared) {
    let store = Arc::new(Mutex::new(Store { orders, is_connected, asked: Vec::new() }));
    let app = Router::new().fallback(answer).with_state(Arc::clone(&store));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/printful", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let config = json!({ "token": token, "store_id": 4242, "base_url": base, "rate_limit": false });
    (Printful::new(serde_json::from_value(config).unwrap()).unwrap(), store)
}

fn stream(name: &str) -> &'static Stream {
    STREAMS.iter().find(|stream| stream.name == name).unwrap()
}

/// Reads a whole night; every page is read twice and must come out the same.
async fn night(
    source: &Printful,
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
        let column = page.rows.column_by_name("id").unwrap();
        ids.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
        bookmark = page.bookmark;
        if !page.more {
            return (ids, bookmark);
        }
    }
}

#[tokio::test]
async fn a_night_reads_the_window_and_the_older_open_orders() {
    let orders = (0..300).map(|age| {
        let status = if age == 200 { "onhold" } else { "fulfilled" };
        order(u64::try_from(1000 - age).unwrap(), age, status)
    });
    let (source, store) = served(orders.collect(), false, "pf_right").await;
    let (first, bookmark) = night(&source, "orders", &Bookmark::start(), now()).await;
    assert_eq!(first.len(), 300);
    store.lock().unwrap().orders.insert(0, order(1001, -1, "pending"));
    let (second, bookmark) = night(&source, "orders", &bookmark, now() + TimeDelta::days(1)).await;
    // The second page lies below the floor as a whole; the order on hold is fetched by its id.
    assert_eq!(second.len(), 201);
    assert_eq!(second.first().unwrap(), "1001");
    assert_eq!(second.last().unwrap(), "800");
    // Once deleted it is no failure and is not asked for again.
    store.lock().unwrap().orders.retain(|order| order["id"] != 800);
    let (_, bookmark) = night(&source, "orders", &bookmark, now() + TimeDelta::days(2)).await;
    assert!(!bookmark.as_str().contains("800"), "{}", bookmark.as_str());
}

#[tokio::test]
async fn products_are_read_wherever_the_store_has_them() {
    for is_connected in [false, true] {
        let (source, _) = served(Vec::new(), is_connected, "pf_right").await;
        let (products, _) = night(&source, "store_products", &Bookmark::start(), now()).await;
        assert_eq!(products.len(), 45);
        // 72 is no longer in the catalog, which is no failure.
        let (catalog, bookmark) =
            night(&source, "catalog_products", &Bookmark::start(), now()).await;
        assert_eq!(catalog, ["71"]);
        assert!(!bookmark.as_str().contains("71"), "{}", bookmark.as_str());
        assert_eq!(source.check().await.unwrap(), "Printful store 4242, 45 products");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_printful_s_words() {
    let (source, _) = served(Vec::new(), false, "pf_wrong").await;
    let error = source.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Access);
    assert!(error.to_string().contains("Unauthorized: Invalid token"), "{error}");
    assert!(!format!("{source:?} {error:?}").contains("pf_wrong"));
}

/// The example of a schema: its properties' own examples.
fn example(spec: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let target = spec.pointer(name.trim_start_matches('#')).unwrap();
        return example(spec, target);
    }
    if let Some(value) = schema.get("example").filter(|value| !value.is_object()) {
        return match (schema["type"].as_str(), value) {
            // The specification writes some texts as numbers.
            (Some("string"), Value::Number(number)) => Value::String(number.to_string()),
            _ => value.clone(),
        };
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = serde_json::Map::new();
        for part in parts {
            whole.extend(example(spec, part).as_object().cloned().unwrap_or_default());
        }
        return Value::Object(whole);
    }
    if let Some(properties) = schema["properties"].as_object() {
        let member = |(name, inside): (&String, &Value)| (name.clone(), example(spec, inside));
        return Value::Object(properties.iter().map(member).collect());
    }
    match schema["items"] {
        Value::Null => Value::Null,
        ref items => json!([example(spec, items)]),
    }
}

/// The example in the documented answer of a call.
fn documented(spec: &Value, response: &str) -> serde_json::Map<String, Value> {
    let schema = &spec["components"]["responses"][response]["content"]["application/json"];
    let example = example(spec, &schema["schema"]);
    example["result"].as_object().cloned().unwrap_or_default()
}

#[test]
fn the_specification_s_examples_are_decoded_and_every_field_of_them_is_known() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/specs/sources/printful/printful_v1_openapi.json");
    let Ok(bytes) = fs_err::read(path) else {
        println!("skipped: Printful's specification does not lie beside the checkout");
        return;
    };
    let spec: Value = serde_json::from_slice(&bytes).unwrap();
    let store = documented(&spec, "SyncProductInfo");
    let catalog = documented(&spec, "GetProductById");
    for (name, record) in [
        ("orders", Value::Object(documented(&spec, "Order")).to_string()),
        ("store_products", products::merged(store, "sync_product", "sync_variants").unwrap()),
        ("catalog_products", products::merged(catalog, "product", "variants").unwrap()),
    ] {
        let mut decoder = Decoder::new(stream(name));
        decoder.push(&record, &[]);
        let decoded = decoder.finish().unwrap();
        let misfits: Vec<_> = decoded.rejects.iter().map(|r| (&r.pointer, &r.reason)).collect();
        assert!(misfits.is_empty(), "{name}: {misfits:?}");
        let unknown = decoded.rows.column_by_name("_extra").unwrap().as_string::<i32>();
        assert!(unknown.is_null(0), "{name}: {}", unknown.value(0));
        if name == "orders" {
            let costs = decoded.rows.column_by_name("costs").unwrap().as_struct();
            assert!(costs.column_by_name("total").unwrap().is_valid(0));
        }
    }
}
