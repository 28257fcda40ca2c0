//! Shopify: what it recorded is decoded, refusals are told apart, and no child is lost.
//!
//! Recordings and samples lie beside the checkout and are not part of it; a test that finds none
//! says so and passes.

use std::{path::PathBuf, sync::Arc, time::Duration};

use arrow::{
    array::RecordBatch,
    compute::cast,
    datatypes::{DataType, FieldRef},
};
use serde_json::{Value, json};

use super::{
    STREAMS, answer,
    nested::{extend, may_be_open, open_connections},
    pages_of,
    saved::{self, Saved},
};
use crate::{
    Page,
    error::ErrorKind,
    kit::{
        conformance::{Fixture, SECRET, World},
        fake::{Answer, Call},
        http::Verdict,
    },
    source::Stream,
};

/// Shopify's envelope, for the suite that every source passes.
pub(crate) struct Wire;

impl Fixture for Wire {
    fn config(&self, base_url: &str) -> Value {
        json!({ "shop": "acme.myshopify.com", "token": SECRET, "base_url": base_url, "rate_limit": false })
    }

    fn page_size(&self) -> usize {
        4
    }

    fn keys(&self, stream: &str, count: usize) -> usize {
        if stream == "shop" { 1 } else { count }
    }

    fn answer(&self, call: &Call, world: &World) -> Answer {
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", super::PATH));
        let asked = call.json();
        let query = asked["query"].as_str().unwrap();
        let of = |name: &str, n: usize| {
            let mut record = world.record(stream(name).record, n);
            record.insert("id".to_owned(), json!(format!("gid://shopify/{name}/{n}")));
            record
        };
        let word = query.split_whitespace().nth(1).unwrap().to_lowercase();
        let is_asked = |stream: &&Stream| word.starts_with(stream.name);
        let name = STREAMS.iter().find(is_asked).unwrap().name;
        if name == "shop" {
            return Answer::json(&json!({ "data": { "shop": of("shop", 0) } }));
        }
        let variables = &asked["variables"];
        let from = variables["after"].as_str().map_or(0, |after| after.parse::<usize>().unwrap());
        let first = usize::try_from(variables["first"].as_u64().unwrap()).unwrap();
        let until = world.count.min(from + first);
        let nodes: Vec<_> = (from..until).map(|n| of(name, n)).collect();
        Answer::json(&json!({ "data": { name: { "nodes": nodes, "pageInfo": {
            "hasNextPage": until < world.count, "endCursor": until.to_string() } } } }))
    }
}

fn stream(name: &str) -> &'static Stream {
    STREAMS.iter().find(|stream| stream.name == name).unwrap()
}

/// A file of the specifications, if they lie beside the checkout.
fn beside(path: &str) -> Option<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/specs/sources");
    let bytes = fs_err::read(folder.join(path)).ok();
    if bytes.is_none() {
        println!("skipped: `{path}` does not lie beside the checkout");
    }
    bytes
}

/// Arrow's JSON writer knows no zone by name.
fn without_zone(kind: &DataType) -> DataType {
    let inner = |field: &FieldRef| {
        Arc::new(field.as_ref().clone().with_data_type(without_zone(field.data_type())))
    };
    match kind {
        DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, None),
        DataType::List(item) => DataType::List(inner(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    }
}

/// All rows as JSON objects, through Arrow.
fn rows(pages: &[Page]) -> Vec<Value> {
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    for page in pages {
        let schema = page.rows.schema();
        let columns = schema.fields().iter().zip(page.rows.columns()).map(|(field, column)| {
            (field.name().clone(), cast(column, &without_zone(field.data_type())).unwrap())
        });
        writer.write(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    }
    writer.finish().unwrap();
    let text = String::from_utf8(writer.into_inner()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn decoded(name: &str, saved: Saved) -> Vec<Value> {
    let pages = pages_of(stream(name), saved).unwrap();
    for page in &pages {
        assert!(page.rejects.is_empty(), "{:?}", page.rejects);
    }
    rows(&pages)
}

#[test]
fn a_throttled_answer_waits_until_the_bucket_holds_the_query() {
    let Some(body) = beside("shape_samples/shopify_throttled.json") else { return };
    let Verdict::Retry { wait: Some(wait) } = answer::of_body(&body) else {
        panic!("expected a retry");
    };
    // 502 asked for, 120 there, 100 a second.
    assert_eq!(wait.as_secs(), 3);
    assert!(wait >= Duration::from_millis(3_820));
}

#[test]
fn a_missing_scope_is_named() {
    let path =
        "shopify/recorded_conformance/2025-01_payments_shopify-payments-account-access-denied.json";
    let Some(body) = beside(path) else { return };
    let Verdict::Fail { kind, message } = answer::of_body(&body) else {
        panic!("expected a failure");
    };
    assert_eq!(kind, ErrorKind::Access);
    assert!(message.contains("`read_shopify_payments`"), "{message}");
}

#[test]
fn errors_are_told_apart_by_their_code() {
    let of = |code: &str| {
        let body = json!({ "errors": [{ "message": "m", "extensions": { "code": code } }] });
        answer::of_body(body.to_string().as_bytes())
    };
    assert!(matches!(of("INTERNAL_SERVER_ERROR"), Verdict::Retry { wait: None }));
    assert!(matches!(of("MAX_COST_EXCEEDED"), Verdict::Done));
    assert!(matches!(of("SHOP_INACTIVE"), Verdict::Fail { kind: ErrorKind::Access, .. }));
    assert!(matches!(of("BAD_REQUEST"), Verdict::Fail { kind: ErrorKind::Data, .. }));
    // Half of an answer is no answer.
    assert!(matches!(answer::of_body(br#"{"data":{"ord"#), Verdict::Retry { wait: None }));
    let unapproved = br#"{"errors":[{"message":"This app is not approved to use the displayName field."}],"data":null}"#;
    assert!(matches!(answer::of_body(unapproved), Verdict::Fail { kind: ErrorKind::Access, .. }));
    // Data beside an error is still a failure.
    let partial = br#"{"data":{"orders":null},"errors":[{"message":"Timeout"}]}"#;
    assert!(matches!(answer::of_body(partial), Verdict::Fail { kind: ErrorKind::Data, .. }));
}

#[test]
fn a_bulk_file_is_put_together_whatever_its_order() {
    let Some(text) = beside("shape_samples/shopify_bulk_orders.jsonl") else { return };
    let rows = decoded("orders", saved::bulk(&text, "Order"));
    assert_eq!(rows.len(), 1);
    let order = &rows[0];
    assert_eq!(order["id"], "gid://shopify/Order/1001");
    assert_eq!(order["totalPriceSet"]["presentmentMoney"]["amount"].to_string(), "41.2");
    assert_eq!(order["lineItems"].as_array().unwrap().len(), 2);
    assert_eq!(order["lineItems"][0]["sku"], "TEE-BLK-M");
    assert_eq!(order["lineItems"][0]["taxLines"][0]["rate"].to_string(), "0.2");
    assert_eq!(order["refunds"][0]["id"], "gid://shopify/Refund/9001");
    assert_eq!(order["customerJourneySummary"]["firstVisit"]["utmParameters"]["content"], "ad_77");
    // Fields that nobody declared are kept.
    assert!(order["_extra"].as_str().unwrap().contains("numberOfOrders"), "{}", order["_extra"]);

    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.reverse();
    let reversed = decoded("orders", saved::bulk(&lines.join(&b'\n'), "Order"));
    let skus = |row: &Value| {
        let items = row["lineItems"].as_array().unwrap().iter();
        items.map(|item| item["id"].to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(skus(&reversed[0]), skus(order));
}

#[test]
fn a_broken_line_and_an_orphan_are_rejects_and_the_rest_is_kept() {
    let text =
        br##"{"id":"gid://shopify/LineItem/1","title":"Mug","__parentId":"gid://shopify/Order/7"}
{"id":"gid://shopify/Order/7","name":"#7"
{"id":"gid://shopify/Order/8","name":"\u00238"}
{"id":"gid://shopify/ShippingLine/3","title":"Post","__parentId":"gid://shopify/Order/8"}
{"id":"gid://shopify/Metafield/3","key":"k","__parentId":"gid://shopify/Order/8"}
{"id":"gid://shopify/Product/8","title":"another stream"}
{"id":"gid://shopify/ProductVariant/9","__parentId":"gid://shopify/Product/8"}
"##;
    let saved = saved::bulk(text, "Order");
    assert_eq!(saved.records.len(), 1);
    let reasons: Vec<&str> = saved.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    assert!(reasons[0].starts_with("not a JSON object"), "{reasons:?}");
    assert_eq!(reasons[1], "no connection of `Order` holds it");
    assert_eq!(reasons[2], "its parent `gid://shopify/Order/7` is not in this file");
    assert_eq!(reasons.len(), 3);
    let pages = pages_of(stream("orders"), saved).unwrap();
    assert_eq!(pages[0].rejects.len(), 3);
    assert_eq!(rows(&pages)[0]["shippingLines"][0]["title"], "Post");
}

#[test]
fn children_of_children_find_their_place() {
    let text = br#"{"id":"gid://shopify/RefundLineItem/3","quantity":2,"__parentId":"gid://shopify/Refund/2"}
{"id":"gid://shopify/Product/1","title":"Tee"}
{"id":"gid://shopify/ProductVariant/5","price":"19.9","__parentId":"gid://shopify/Product/1"}
{"id":"gid://shopify/Metafield/6","namespace":"inkhouse","key":"design","__parentId":"gid://shopify/Product/1"}
"#;
    let rows = decoded("products", saved::bulk(text, "Product"));
    assert_eq!(rows[0]["variants"][0]["price"].to_string(), "19.9");
    assert_eq!(rows[0]["metafields"][0]["key"], "design");
}

#[test]
fn what_shopify_recorded_is_decoded_as_it_stands() {
    let recordings = [
        ("2025-01_orders_order-create-math-matrix.json", "orders", "Order"),
        ("2026-04_orders_order-edit-money-math.json", "orders", "Order"),
        ("2026-04_orders_refund-create-transactions-validation.json", "orders", "Order"),
        ("2025-01_orders_refund-create-partial-shipping-restock-parity.json", "orders", "Order"),
        (
            "2026-04_customers_customer-email-marketing-consent-update-parity.json",
            "customers",
            "Customer",
        ),
    ];
    for (file, name, gid) in recordings {
        let Some(body) = beside(&format!("shopify/recorded_conformance/{file}")) else { return };
        let saved = saved::answer(&body, gid);
        assert!(!saved.records.is_empty(), "{file}");
        let count = saved.records.len();
        let rows = decoded(name, saved);
        assert_eq!(rows.len(), count, "{file}");
        assert!(rows.iter().all(|row| row["id"].as_str().unwrap().contains(gid)), "{file}");
    }
}

#[test]
fn a_connection_that_goes_on_is_seen_and_completed() {
    let text = r#"{"id":"gid://shopify/Order/1","note":"say \"hasNextPage\": true",
        "lineItems":{"nodes":[{"id":"a"}],"pageInfo":{"hasNextPage" : true,"endCursor":"c1"}},
        "refunds":[{"id":"gid://shopify/Refund/2","refundLineItems":{"nodes":[],"pageInfo":{"hasNextPage":true,"endCursor":"c2"}},
            "orderAdjustments":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}}}]}"#;
    assert!(may_be_open(text));
    assert!(!may_be_open(r#"{"note":"say \"hasNextPage\": true","p":{"hasNextPage":false}}"#));
    let mut record: Value = serde_json::from_str(text).unwrap();
    let open = open_connections(&record);
    let found: Vec<_> =
        open.iter().map(|o| (o.pointer.as_str(), o.id.as_str(), o.after.as_str())).collect();
    assert_eq!(
        found,
        [
            ("/lineItems", "gid://shopify/Order/1", "c1"),
            ("/refunds/0/refundLineItems", "gid://shopify/Refund/2", "c2"),
        ]
    );
    assert_eq!(open[0].nested().unwrap().gid, "LineItem");
    for part in open {
        extend(&mut record, &part.pointer, vec![json!({ "id": "b" })]).unwrap();
    }
    assert_eq!(record["lineItems"]["nodes"], json!([{ "id": "a" }, { "id": "b" }]));
    assert!(!may_be_open(&record.to_string()));
}
