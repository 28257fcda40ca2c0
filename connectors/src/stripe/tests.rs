//! Stripe: its own fixtures are decoded, a walk survives being broken off, refusals are told apart.
//!
//! Recorded answers lie beside the checkout and are not part of it; a test that finds none says so
//! and passes.

use std::sync::{Arc, Mutex};

use arrow::{
    array::AsArray,
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use serde_json::{Map, Value, json};

use super::*;
use crate::kit::{
    conformance::{Fixture, SECRET, World},
    fake::{Answer, Call, Fake},
    http::waits,
};

/// Stripe's wire: lists newest first, by `starting_after`.
pub(crate) struct Wire;

impl Fixture for Wire {
    fn config(&self, base_url: &str) -> Value {
        json!({ "key": SECRET, "base_url": base_url, "rate_limit": false })
    }

    fn page_size(&self) -> usize {
        PAGE_SIZE
    }

    fn answer(&self, call: &Call, world: &World) -> Answer {
        let Some(stream) = STREAMS.iter().find(|s| call.path == format!("/v1/{}", s.name)) else {
            return Answer::text(404, "{}");
        };
        let things: Vec<_> = (0..world.count)
            .map(|n| {
                let mut thing = world.record(stream.record, n);
                thing.insert("id".to_owned(), json!(format!("id_{n}")));
                thing.insert("created".to_owned(), json!(1_790_000_000 - n));
                if let Some(livemode) = thing.get_mut("livemode") {
                    *livemode = json!(false);
                }
                thing
            })
            .collect();
        list(call, &things)
    }
}

fn list(call: &Call, things: &[Map<String, Value>]) -> Answer {
    let since = call.number("created[gte]").unwrap_or(0);
    let begin = call
        .parameter("starting_after")
        .map_or(0, |after| things.iter().position(|thing| thing["id"] == after).unwrap() + 1);
    let rest: Vec<_> = things[begin..]
        .iter()
        .filter(|thing| thing["created"].as_u64().unwrap() >= since as u64)
        .collect();
    let limit = call.number("limit").unwrap();
    Answer::json(&json!({
        "object": "list",
        "url": call.path,
        "has_more": rest.len() > limit,
        "data": rest.into_iter().take(limit).collect::<Vec<_>>(),
    }))
}

fn now() -> DateTime<Utc> {
    "2026-11-01T06:00:00Z".parse().unwrap()
}

fn source(vendor: &Fake) -> Stripe {
    let config = json!({ "key": "rk_test", "base_url": vendor.base_url, "rate_limit": false });
    Stripe::new(serde_json::from_value(config).unwrap()).unwrap()
}

fn stream(name: &str) -> &'static Stream {
    STREAMS.iter().find(|stream| stream.name == name).unwrap()
}

fn ids(page: &Page) -> Vec<String> {
    page.rows.column(0).as_string::<i32>().iter().map(|id| id.unwrap().to_owned()).collect()
}

/// A pretended account whose balance moves while it is read.
type Ledger = Arc<Mutex<Vec<Map<String, Value>>>>;

fn ledger(created: impl IntoIterator<Item = i64>) -> Ledger {
    Arc::new(Mutex::new(created.into_iter().map(thing).collect()))
}

fn thing(created: i64) -> Map<String, Value> {
    let thing = json!({ "id": format!("txn_{created}"), "created": created, "amount": 1 });
    thing.as_object().unwrap().clone()
}

fn serve(ledger: &Ledger) -> Fake {
    let ledger = Arc::clone(ledger);
    Fake::serve("stripe", move |call| list(call, &ledger.lock().unwrap()))
}

#[tokio::test]
async fn a_walk_that_broke_off_ends_with_the_watermark_of_its_own_top() {
    let day = 86_400;
    let ledger = ledger((0..250).map(|n| 1_790_000_000 - n * day));
    let vendor = serve(&ledger);
    let balance = stream("balance_transactions");
    let first = source(&vendor).read(balance, &Bookmark::start(), now()).await.unwrap();
    assert!(first.more);
    // Killed here; meanwhile two payments come in, and the process starts anew.
    ledger.lock().unwrap().splice(0..0, [thing(1_790_000_900), thing(1_790_000_800)]);
    let mut seen = ids(&first);
    let mut bookmark = first.bookmark;
    let mut more = true;
    while more {
        let page = source(&vendor).read(balance, &bookmark, now()).await.unwrap();
        seen.extend(ids(&page));
        (bookmark, more) = (page.bookmark, page.more);
    }
    assert_eq!(seen.len(), 250);
    assert_eq!(bookmark.as_str(), r#"{"watermark":1790000000}"#);
    // The next night reads the two, and 30 days below the watermark again.
    let next = source(&vendor).read(balance, &bookmark, now()).await.unwrap();
    assert_eq!(ids(&next).len(), 2 + 31);
    assert_eq!(next.bookmark.as_str(), r#"{"watermark":1790000900}"#);
}

#[tokio::test]
async fn a_walk_of_an_earlier_night_is_followed_by_one_of_tonight() {
    let ledger = ledger((0..150).map(|n| 1_790_000_000 - n));
    let vendor = serve(&ledger);
    let balance = stream("balance_transactions");
    let first = source(&vendor).read(balance, &Bookmark::start(), now()).await.unwrap();
    ledger.lock().unwrap().insert(0, thing(1_790_050_000));
    let tomorrow = now() + chrono::TimeDelta::days(1);
    let second = source(&vendor).read(balance, &first.bookmark, tomorrow).await.unwrap();
    assert!(second.more);
    let third = source(&vendor).read(balance, &second.bookmark, tomorrow).await.unwrap();
    assert!(ids(&third).contains(&"txn_1790050000".to_owned()));
    let last = source(&vendor).read(balance, &third.bookmark, tomorrow).await.unwrap();
    assert!(!last.more);
    assert_eq!(last.bookmark.as_str(), r#"{"watermark":1790050000}"#);
}

#[tokio::test]
async fn things_of_one_second_are_all_read_and_a_shuffled_page_skips_none() {
    let ledger = ledger([]);
    for n in 0..250 {
        let mut thing = thing(1_790_000_000 - n / 130);
        thing.insert("id".to_owned(), json!(format!("txn_{n}")));
        ledger.lock().unwrap().push(thing);
    }
    let things = Arc::clone(&ledger);
    let vendor = Fake::serve("stripe", move |call| {
        let things = things.lock().unwrap();
        let begin = call
            .parameter("starting_after")
            .map_or(0, |after| things.iter().position(|thing| thing["id"] == after).unwrap() + 1);
        let mut page: Vec<_> = things.iter().skip(begin).take(100).collect();
        page.rotate_left(30.min(things.len() - begin));
        Answer::json(&json!({ "data": page, "has_more": begin + 100 < things.len() }))
    });
    let mut bookmark = Bookmark::start();
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let page = source(&vendor).read(stream("refunds"), &bookmark, now()).await.unwrap();
        seen.extend(ids(&page));
        bookmark = page.bookmark;
        if !page.more {
            break;
        }
    }
    assert_eq!(seen.len(), 250);
}

#[tokio::test]
async fn the_start_date_bounds_the_first_night() {
    let ledger = ledger([1_790_000_000, 1_700_000_000]);
    let vendor = serve(&ledger);
    let config = json!({ "key": "k", "base_url": vendor.base_url, "start_date": "2026-01-01" });
    let stripe = Stripe::new(serde_json::from_value(config).unwrap()).unwrap();
    let page = stripe.read(stream("charges"), &Bookmark::start(), now()).await.unwrap();
    assert_eq!(ids(&page), ["txn_1790000000"]);
    assert_eq!(vendor.calls()[0].parameter("created[gte]"), Some("1767225600"));
    assert_eq!(vendor.calls()[0].header("stripe-version"), Some(VERSION));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let body = |code: &str| {
        json!({ "error": { "type": "invalid_request_error", "code": code, "param": "limit",
            "message": "Invalid rk_test here" } })
        .to_string()
    };
    for (status, header, kind) in [
        (400, None, ErrorKind::Data),
        (401, None, ErrorKind::Access),
        (403, None, ErrorKind::Access),
        (500, Some("false"), ErrorKind::Data),
        (400, Some("true"), ErrorKind::Busy),
        (429, None, ErrorKind::Busy),
    ] {
        let body = body("parameter_invalid");
        let vendor = Fake::serve("stripe", move |_| {
            let answer =
                Answer::text(status, &body).header("stripe-rate-limited-reason", "endpoint-rate");
            match header {
                Some(value) => answer.header("stripe-should-retry", value),
                None => answer,
            }
        });
        let error = source(&vendor).check().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert!(!error.to_string().contains("rk_test"), "{error}");
        if status == 429 {
            assert!(error.to_string().contains("endpoint-rate"), "{error}");
            assert_eq!(waits::take().len(), 5);
        } else {
            waits::take();
        }
    }
}

/// Stripe's own fixtures, if they lie beside the checkout.
fn recorded(resource: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Fixtures {
        resources: std::collections::BTreeMap<String, Box<RawValue>>,
    }
    let path = "../../shared/specs/sources/stripe/fixtures3.json";
    let Ok(text) = fs_err::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)) else {
        println!("skipped: `{path}` does not lie beside the checkout");
        return None;
    };
    let fixtures: Fixtures = serde_json::from_slice(&text).unwrap();
    Some(fixtures.resources[resource].get().to_owned())
}

#[test]
fn stripes_own_fixtures_fit_and_nothing_of_them_is_unknown() {
    for (resource, name) in [
        ("balance_transaction", "balance_transactions"),
        ("charge", "charges"),
        ("refund", "refunds"),
    ] {
        let Some(record) = recorded(resource) else { return };
        let mut decoder = Decoder::new(stream(name));
        decoder.push(&record, &[]);
        let decoded = decoder.finish().unwrap();
        assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
        let column = |name: &str| decoded.rows.column_by_name(name).unwrap();
        assert_eq!(column("amount").as_primitive::<Int64Type>().value(0), 100);
        let created = column("created").as_primitive::<TimestampMicrosecondType>().value(0);
        assert_eq!(created, 1_234_567_890_000_000);
        let extra = column(crate::EXTRA).as_string::<i32>();
        assert_eq!(extra.iter().next().unwrap(), None, "{resource}");
        let shown = format!("{:?}", decoded.rows);
        assert!(!shown.contains("Jenny Rosen"), "personal data was kept");
    }
}

#[test]
fn every_declared_field_is_in_stripes_digest() {
    let path = "../../shared/specs/sources/stripe/field_digest_2026-10-28.endive.tsv";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let Ok(digest) = fs_err::read_to_string(path) else {
        println!("skipped: Stripe's field digest does not lie beside the checkout");
        return;
    };
    for (interface, name) in [
        ("BalanceTransaction", "balance_transactions"),
        ("Charge", "charges"),
        ("Refund", "refunds"),
    ] {
        let known: Vec<&str> = digest
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .filter(|cells| cells.get(1) == Some(&interface))
            .map(|cells| cells[2].trim_end_matches('?'))
            .collect();
        let declared: Vec<&str> =
            stream(name).record.fields.iter().map(|field| field.name).collect();
        for field in &declared {
            assert!(known.contains(field), "{interface} has no `{field}`");
        }
        for field in known {
            assert!(declared.contains(&field), "{interface}: `{field}` is not declared");
        }
    }
}
