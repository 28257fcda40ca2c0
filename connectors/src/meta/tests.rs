//! Meta: days are whole or not at all, a vanished row vanishes, throttles are told from refusals.
//!
//! A sample answer lies beside the checkout and is not part of it; a test that does not find it
//! says so and passes.

use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray};
use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::{streams::INSIGHT, *};
use crate::{
    ErrorKind,
    kit::{
        conformance::{Fixture, SECRET, World},
        fake::{Answer, Call, Fake},
        http::waits,
    },
};

/// Days that the fixture's config spans, today included.
const SPAN: usize = 12;

/// Meta's wire: one account, and insights paged by a cursor.
pub(crate) struct Wire;

impl Fixture for Wire {
    fn config(&self, base_url: &str) -> Value {
        json!({ "account_id": "act_1001", "token": SECRET, "start_date": "2026-10-21",
            "base_url": base_url, "rate_limit": false })
    }

    fn page_size(&self) -> usize {
        3
    }

    fn keys(&self, stream: &str, _count: usize) -> usize {
        // A day is there with and without ads.
        if stream == "insights_daily" { SPAN } else { 1 }
    }

    fn answer(&self, call: &Call, world: &World) -> Answer {
        let account = STREAMS[0].record;
        match call.path.as_str() {
            "/v26.0/act_1001" => {
                let mut record = world.record(account, 0);
                record.extend(object(
                    json!({ "id": "act_1001", "timezone_name": "America/New_York" }),
                ));
                Answer::json(&Value::Object(record))
            }
            "/v26.0/act_1001/insights" => {
                let days = days_of(call);
                let rows = days.iter().flat_map(|day| {
                    (0..world.count).map(move |n| {
                        let mut row = world.record(&INSIGHT, n);
                        row.insert("ad_id".to_owned(), json!(format!("{n}")));
                        row.insert("date_start".to_owned(), json!(day));
                        row
                    })
                });
                paged(call, rows.collect(), 3)
            }
            _ => Answer::text(404, "{}"),
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// The days that a call asks for.
fn days_of(call: &Call) -> Vec<NaiveDate> {
    let range: Value = serde_json::from_str(call.parameter("time_range").unwrap()).unwrap();
    let day = |name: &str| range[name].as_str().unwrap().parse::<NaiveDate>().unwrap();
    let until = day("until");
    day("since").iter_days().take_while(|day| *day <= until).collect()
}

fn paged(call: &Call, rows: Vec<Map<String, Value>>, size: usize) -> Answer {
    let begin = call.number("after").unwrap_or(0);
    let end = (begin + size).min(rows.len());
    let mut paging =
        json!({ "cursors": { "before": begin.to_string(), "after": end.to_string() } });
    if end < rows.len() {
        paging["next"] = json!("https://graph.facebook.com/elsewhere");
    }
    Answer::json(&json!({ "data": rows[begin..end], "paging": paging }))
}

fn now() -> DateTime<Utc> {
    "2026-11-01T03:30:00Z".parse().unwrap()
}

fn source(vendor: &Fake, more: Value) -> Meta {
    let mut config = json!({ "account_id": "act_1001", "token": "EAAtoken",
        "start_date": "2026-10-01", "base_url": vendor.base_url });
    for (name, value) in object(more) {
        config[name] = value;
    }
    Meta::new(serde_json::from_value(config).unwrap()).unwrap()
}

fn account() -> Answer {
    Answer::json(&json!({ "id": "act_1001", "account_id": "1001", "name": "Ads",
        "currency": "USD", "timezone_name": "America/New_York" }))
}

/// An account with these rows; they may change while it serves.
fn serve(rows: &Arc<Mutex<Vec<Value>>>) -> Fake {
    let rows = Arc::clone(rows);
    Fake::serve("meta", move |call| {
        if !call.path.ends_with("/insights") {
            return account();
        }
        let days = days_of(call);
        let rows = rows.lock().unwrap();
        let asked =
            rows.iter().filter(|row| days.iter().any(|day| row["date_start"] == day.to_string()));
        paged(call, asked.map(|row| object(row.clone())).collect(), 2)
    })
}

fn row(ad: &str, day: &str, spend: &str) -> Value {
    json!({ "ad_id": ad, "date_start": day, "date_stop": day, "spend": spend })
}

/// Every day read, as `day: ad=spend ad=spend`, and the last bookmark.
async fn night(meta: &Meta, from: Bookmark, now: DateTime<Utc>) -> (Vec<String>, Bookmark) {
    let (mut days, mut bookmark) = (Vec::new(), from);
    loop {
        let page = meta.read(&STREAMS[1], &bookmark, now).await.unwrap();
        for index in 0..page.rows.num_rows() {
            let day = page.rows.column_by_name("date_start").unwrap();
            let day = arrow::util::display::array_value_to_string(day, index).unwrap();
            let ads = page.rows.column_by_name("data").unwrap().as_list::<i32>().value(index);
            let ads = ads.as_struct();
            let cell = |name: &str, at: usize| {
                arrow::util::display::array_value_to_string(ads.column_by_name(name).unwrap(), at)
                    .unwrap()
            };
            let shown =
                (0..ads.len()).map(|at| format!(" {}={}", cell("ad_id", at), cell("spend", at)));
            days.push(format!("{day}:{}", shown.collect::<String>()));
        }
        bookmark = page.bookmark;
        if !page.more {
            return (days, bookmark);
        }
    }
}

#[tokio::test]
async fn a_day_is_put_together_from_all_its_pages() {
    let rows: Vec<Value> =
        ["3", "1", "2", "5", "4"].iter().map(|ad| row(ad, "2026-10-30", "1.5")).collect();
    let rows = Arc::new(Mutex::new(rows));
    let vendor = serve(&rows);
    let meta = source(&vendor, json!({ "start_date": "2026-10-30" }));
    // 03:30 in London is still the 31st in New York.
    let (days, bookmark) = night(&meta, Bookmark::start(), now()).await;
    assert_eq!(days, ["2026-10-30: 1=1.5000 2=1.5000 3=1.5000 4=1.5000 5=1.5000", "2026-10-31:"]);
    assert_eq!(bookmark.as_str(), r#"{"through":"2026-10-31"}"#);
    let call = vendor.calls().pop().unwrap();
    assert_eq!(call.parameter("level"), Some("ad"));
    assert!(call.parameter("filtering").unwrap().contains("ARCHIVED"));
    assert_eq!(call.header("authorization"), Some("Bearer EAAtoken"));
}

#[tokio::test]
async fn the_next_night_reads_the_lookback_again_and_a_vanished_row_vanishes() {
    let rows = Arc::new(Mutex::new(vec![
        row("1", "2026-10-02", "9"),
        row("1", "2026-10-30", "2.5"),
        row("2", "2026-10-30", "7"),
    ]));
    let vendor = serve(&rows);
    let meta = source(&vendor, json!({ "lookback_days": 3 }));
    let (first, bookmark) = night(&meta, Bookmark::start(), now()).await;
    assert_eq!(first.len(), 31);
    assert_eq!(first[1], "2026-10-02: 1=9.0000");
    rows.lock().unwrap().retain(|row| row["ad_id"] == "1");
    let (second, bookmark) = night(&meta, bookmark, now() + TimeDelta::days(1)).await;
    assert_eq!(
        second,
        ["2026-10-28:", "2026-10-29:", "2026-10-30: 1=2.5000", "2026-10-31:", "2026-11-01:"]
    );
    // Ten nights were missed: the days between are read too.
    let (late, _) = night(&meta, bookmark, now() + TimeDelta::days(11)).await;
    assert_eq!((late[0].as_str(), late.len()), ("2026-10-29:", 14));
}

#[tokio::test]
async fn order_and_repeats_do_not_change_a_day() {
    let hash = async |rows: Vec<Value>| {
        let vendor = serve(&Arc::new(Mutex::new(rows)));
        let meta = source(&vendor, json!({ "start_date": "2026-10-31" }));
        let page = meta.read(&STREAMS[1], &Bookmark::start(), now()).await.unwrap();
        Arc::clone(page.rows.column_by_name(crate::ROW_HASH).unwrap())
    };
    let (one, two) = (row("1", "2026-10-31", "1"), row("2", "2026-10-31", "2"));
    let calm = hash(vec![one.clone(), two.clone()]).await;
    assert_eq!(&calm, &hash(vec![two.clone(), one.clone(), two, one]).await);
}

#[tokio::test]
async fn an_ad_row_that_does_not_fit_leaves_its_day() {
    let rows = Arc::new(Mutex::new(vec![
        row("1", "2026-10-31", "1"),
        row("2", "2026-10-31", "1.23456"),
        row("3", "yesterday", "1"),
    ]));
    rows.lock().unwrap().push(json!({ "date_start": "2026-10-31", "spend": "3" }));
    let vendor = serve(&rows);
    let meta = source(&vendor, json!({ "start_date": "2026-10-31" }));
    let page = meta.read(&STREAMS[1], &Bookmark::start(), now()).await.unwrap();
    let pointers: Vec<_> = page.rejects.iter().map(|reject| reject.pointer.as_str()).collect();
    assert_eq!(pointers, ["/spend", "/ad_id"]);
    assert_eq!(page.rows.num_rows(), 1);
}

#[tokio::test]
async fn too_much_data_is_asked_for_in_smaller_parts() {
    let vendor = Fake::serve("meta", |call| {
        if !call.path.ends_with("/insights") {
            return account();
        }
        if days_of(call).len() > 3 {
            let message =
                "Please reduce the amount of data you're asking for, then retry your request";
            return Answer::text(
                500,
                &json!({ "error": { "message": message, "code": 1 } }).to_string(),
            );
        }
        paged(call, Vec::new(), 2)
    });
    let meta = source(&vendor, json!({ "start_date": "2026-10-23" }));
    let (days, _) = night(&meta, Bookmark::start(), now()).await;
    assert_eq!(days.len(), 9);
    let limits: Vec<_> = vendor.calls().iter().filter_map(|call| call.number("limit")).collect();
    assert_eq!(limits, [500, 250, 250, 250]);
    assert!(waits::take().is_empty());
}

#[tokio::test]
async fn throttles_are_waited_for_and_refusals_are_not() {
    let body = |code: i64, message: &str| {
        json!({ "error": { "message": message, "type": "OAuthException", "code": code,
            "error_subcode": 1, "fbtrace_id": "A" } })
        .to_string()
    };
    let usage = r#"{"9":[{"type":"ads_insights","call_count":101,"total_cputime":9.5,"estimated_time_to_regain_access":2}]}"#;
    for (status, code, message, kind, waited) in [
        (400, 17, "limit reached", ErrorKind::Busy, Some(120)),
        (403, 4, "limit reached", ErrorKind::Busy, Some(120)),
        (400, 80_000, "too many calls", ErrorKind::Busy, Some(120)),
        (400, 2, "try later", ErrorKind::Busy, None),
        (400, 100, "(#100) Cannot include x in summary param", ErrorKind::Busy, None),
        (401, 190, "expired EAAtoken", ErrorKind::Access, None),
        (403, 200, "no permission", ErrorKind::Access, None),
        (400, 190, "expired", ErrorKind::Access, None),
        (400, 100, "(#100) no such field", ErrorKind::Data, None),
    ] {
        let body = body(code, message);
        let vendor = Fake::serve("meta", move |_| {
            Answer::text(status, &body).header("x-business-use-case-usage", usage)
        });
        let error = source(&vendor, json!({})).check().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{code}: {error}");
        assert!(!error.to_string().contains("EAAtoken"), "{error}");
        let waits = waits::take();
        assert_eq!(!waits.is_empty(), kind == ErrorKind::Busy, "{code}");
        if let Some(seconds) = waited {
            assert!(waits.iter().all(|wait| wait.as_secs() >= seconds), "{code}: {waits:?}");
        }
    }
}

#[tokio::test]
async fn an_account_that_is_nearly_used_up_is_left_alone_for_a_while() {
    for (used, rested) in [("12.5", 0), ("85.1", 60), ("97", 300)] {
        let usage = format!(r#"{{"acc_id_util_pct":{used},"reset_time_duration":100}}"#);
        let vendor = Fake::serve("meta", move |call| {
            if call.path.ends_with("/insights") {
                paged(call, Vec::new(), 2).header("x-ad-account-usage", &usage)
            } else {
                account()
            }
        });
        let config = json!({ "start_date": "2026-10-31" });
        night(&source(&vendor, config.clone()), Bookmark::start(), now()).await;
        let seconds: u64 = waits::take().iter().map(Duration::as_secs).sum();
        assert_eq!(seconds, rested, "{used}");
        let mut calm = config;
        calm["rate_limit"] = json!(false);
        night(&source(&vendor, calm), Bookmark::start(), now()).await;
        assert!(waits::take().is_empty());
    }
}

#[test]
fn a_start_that_meta_no_longer_keeps_is_moved_up() {
    let today: NaiveDate = "2026-11-01".parse().unwrap();
    let walk = Progress::default().begin("2015-01-01".parse().unwrap(), 28, today);
    assert_eq!(walk.next, today - TimeDelta::days(1_123));
}

#[test]
fn an_account_id_is_checked_before_any_call() {
    for (id, is_right) in [("act_1001", true), ("1001", true), ("acme", false), ("act_", false)] {
        let config = json!({ "account_id": id, "token": "t", "start_date": "2026-01-01" });
        let made = Meta::new(serde_json::from_value(config).unwrap());
        assert_eq!(made.is_ok(), is_right, "{id}");
    }
}

#[test]
fn the_sample_answer_is_decoded() {
    let path = "../../shared/specs/sources/shape_samples/meta_insights_page.json";
    let Ok(body) = fs_err::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)) else {
        println!("skipped: `{path}` does not lie beside the checkout");
        return;
    };
    let listing: Listing<'_> = serde_json::from_slice(&body).unwrap();
    let day: NaiveDate = "2026-10-02".parse().unwrap();
    let mut days = Days::new(day, day);
    days.extend(&listing.data);
    assert!(days.rejects.is_empty(), "{:?}", days.rejects);
    let mut decoder = Decoder::new(&STREAMS[1]);
    for record in days.records("111") {
        decoder.push(&record, &[]);
    }
    let decoded = decoder.finish().unwrap();
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    assert_eq!(decoded.rows.column_by_name(crate::EXTRA).unwrap().null_count(), 1);
    let ads = decoded.rows.column_by_name("data").unwrap().as_list::<i32>().value(0);
    let cell = |name: &str| {
        let column = ads.as_struct().column_by_name(name).unwrap();
        arrow::util::display::array_value_to_string(column, 0).unwrap()
    };
    assert_eq!(
        (cell("ad_id"), cell("spend"), cell("clicks")),
        ("2387".into(), "12.3400".into(), "31".into())
    );
    let actions: Value = serde_json::from_str(&cell("actions")).unwrap();
    assert_eq!(actions[2]["action_type"], "omni_purchase");
}
