//! The client against a pretended vendor: patience, pacing, and what is never shown.

use std::time::Instant;

use serde_json::json;

use super::*;
use crate::kit::fake::{Answer, Fake};

fn client(vendor: &Fake) -> HttpBuilder {
    Http::builder("acme", &Url::parse(&vendor.base_url).unwrap())
}

#[tokio::test]
async fn a_date_in_retry_after_is_held_against_the_vendors_clock() {
    let vendor = Fake::serve("acme", |_| {
        Answer::text(429, "")
            .header("date", "Sun, 01 Nov 2026 06:00:00 GMT")
            .header("retry-after", "Sun, 01 Nov 2026 06:01:30 GMT")
    });
    let http = client(&vendor).build().unwrap();
    let error = http.get("/v1/x").query("secret", "s3cr3t").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(error.wait(), Some(Duration::from_secs(90)));
    assert!(error.to_string().contains("GET /v1/x"), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cr3t"));
    let waits = waits::take();
    assert_eq!(waits.len(), 5);
    assert!(waits.iter().all(|wait| (90..92).contains(&wait.as_secs())), "{waits:?}");
}

#[tokio::test]
async fn waits_grow_and_stay_below_their_bound() {
    let vendor = Fake::serve("acme", |_| Answer::text(500, ""));
    let policy = RetryPolicy {
        tries: 9,
        first_wait: Duration::from_millis(100),
        longest_wait: Duration::from_millis(1_600),
    };
    let http = client(&vendor).retry(policy).build().unwrap();
    http.get("/").send().await.unwrap_err();
    let waits = waits::take();
    assert_eq!(waits.len(), 8);
    for (wait, bound) in waits.iter().zip([100, 200, 400, 800, 1_600, 1_600, 1_600, 1_600]) {
        assert!(wait.as_millis() <= bound, "{wait:?} > {bound}");
    }
    assert_eq!(vendor.calls().len(), 9);
}

#[tokio::test]
async fn an_unreachable_vendor_is_busy_and_named() {
    let http = Http::builder("acme", &Url::parse("http://127.0.0.1:1/x").unwrap()).build().unwrap();
    let error = http.get("/v1/y").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("cannot connect"), "{error}");
    assert!(error.hint().unwrap().contains("127.0.0.1"));
}

#[tokio::test]
async fn clones_share_one_bucket() {
    let vendor = Fake::serve("acme", |_| Answer::json(&json!({})));
    let http = client(&vendor).bucket(Bucket::per_second(20)).build().unwrap();
    let start = Instant::now();
    // Three at once, the rest 17 a second: together, not each.
    let (one, two) = (http.clone(), http.clone());
    let calls = async |http: Http| {
        for _ in 0..5 {
            http.get("/").send().await.unwrap();
        }
    };
    tokio::join!(calls(one), calls(two));
    assert!(start.elapsed() >= Duration::from_millis(6 * 1_000 / 17), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_token_follows_no_link_to_another_host() {
    let vendor = Fake::serve("acme", |_| Answer::json(&json!({})));
    let http = client(&vendor).build().unwrap();
    assert!(http.get_absolute("https://evil.example/next").is_err());
    assert!(http.get_absolute("not an address").is_err());
    let same = format!("{}/v1/next?cursor=2", vendor.base_url);
    http.get_absolute(&same).unwrap().send().await.unwrap();
    assert_eq!(vendor.calls()[0].parameter("cursor"), Some("2"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let vendor =
        Fake::serve("acme", |_| Answer::text(302, "").header("location", "https://evil.example"));
    let error = client(&vendor).build().unwrap().get("/").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
}

#[tokio::test]
async fn a_body_is_sent_again_whole() {
    let vendor = Fake::serve("acme", |call| match call.json()["n"].as_u64() {
        Some(7) => Answer::text(200, "[1]"),
        _ => Answer::text(400, "{}"),
    });
    let http = client(&vendor).build().unwrap();
    let reply = http.post("/v1/x").json(&json!({ "n": 7 })).send().await.unwrap();
    assert_eq!(reply.json::<Vec<u8>>().unwrap(), [1]);
    assert_eq!(vendor.calls()[0].header("content-type"), Some("application/json"));
}

#[test]
fn a_token_with_a_line_break_is_a_config_error_that_does_not_show_it() {
    let url = Url::parse("http://127.0.0.1").unwrap();
    let secret = SecretString::from("s3cr3t\n".to_owned());
    let error = Http::builder("acme", &url).header_secret("x-token", &secret).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(!format!("{error} {error:?}").contains("s3cr3t"));
}
