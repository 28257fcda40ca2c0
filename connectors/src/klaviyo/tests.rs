//! Klaviyo's answers, spoken by a small server: jobs, refusals with pointers, errors read back.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::*;

/// What the pretended account was sent and how it answers.
#[derive(Default)]
struct Account {
    bodies: Vec<Value>,
    headers: Vec<HeaderMap>,
    refuse: Option<Value>,
    polls: usize,
    failed: u64,
    errors: Vec<Value>,
}

type Shared = Arc<Mutex<Account>>;

async fn import(
    State(account): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let mut account = account.lock().unwrap();
    account.headers.push(headers);
    account.bodies.push(serde_json::from_slice(&body).unwrap());
    match &account.refuse {
        Some(errors) => (StatusCode::BAD_REQUEST, json!({ "errors": errors }).to_string()),
        None => (
            StatusCode::ACCEPTED,
            json!({"data": {"type": "profile-bulk-import-job", "id": "job 1",
                "attributes": {"status": "queued", "total_count": 1}}})
            .to_string(),
        ),
    }
}

async fn job(State(account): State<Shared>, Path(id): Path<String>) -> impl IntoResponse {
    let mut account = account.lock().unwrap();
    if id == "gone" {
        return (StatusCode::NOT_FOUND, json!({"errors": []}).to_string());
    }
    account.polls += 1;
    let status = if id == "cancelled" {
        "cancelled"
    } else if account.polls < 2 {
        "processing"
    } else {
        "complete"
    };
    let answer = json!({"data": {"type": "profile-bulk-import-job", "id": id, "attributes":
        {"status": status, "total_count": 3, "failed_count": account.failed}}});
    (StatusCode::OK, answer.to_string())
}

async fn errors(State(account): State<Shared>, uri: Uri, headers: HeaderMap) -> impl IntoResponse {
    let account = account.lock().unwrap();
    let host = headers.get("host").unwrap().to_str().unwrap();
    let second = uri.query().unwrap_or_default().contains("cursor");
    let (page, next) = if second {
        (account.errors.get(1..).unwrap_or_default(), Value::Null)
    } else {
        let next = format!("http://{host}{}?page%5Bcursor%5D=2", uri.path());
        (account.errors.get(..1).unwrap_or_default(), json!(next))
    };
    json!({"data": page, "links": {"self": "", "next": next}}).to_string()
}

async fn profiles(headers: HeaderMap, uri: Uri) -> impl IntoResponse {
    if headers.get("authorization").is_none_or(|v| v != "Klaviyo-API-Key pk_right") {
        return (StatusCode::UNAUTHORIZED, json!({"errors": []}).to_string());
    }
    let data = if uri.query().unwrap_or_default().contains("suppression") {
        json!([{"type": "profile", "id": "1", "attributes": {"email": "Gone@Example.com"}}])
    } else {
        json!([])
    };
    (StatusCode::OK, json!({"data": data, "links": {"next": null}}).to_string())
}

async fn serve() -> (Shared, Klaviyo) {
    let account = Shared::default();
    let router = Router::new()
        .route("/klaviyo/api/profile-bulk-import-jobs", post(import))
        .route("/klaviyo/api/profile-bulk-import-jobs/{id}", get(job))
        .route("/klaviyo/api/profile-bulk-import-jobs/{id}/import-errors", get(errors))
        .route("/klaviyo/api/profiles", get(profiles))
        .with_state(Arc::clone(&account));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (account, client(&format!("http://{address}/klaviyo"), "pk_right"))
}

fn client(base_url: &str, key: &str) -> Klaviyo {
    let config = json!({"key": key, "base_url": base_url, "rate_limit": false});
    Klaviyo::new(serde_json::from_value(config).unwrap()).unwrap()
}

fn delivery(email: &str) -> Delivery {
    Delivery {
        identifier: email.to_owned(),
        payload: json!({"type": "profile", "attributes": {"email": email}}).to_string(),
    }
}

#[tokio::test]
async fn a_batch_becomes_a_job_with_the_pinned_revision() {
    let (account, klaviyo) = serve().await;
    let submitted = klaviyo.submit(&[delivery("a@b.co"), delivery("c@d.co")]).await.unwrap();
    assert_eq!(submitted, Submission::Accepted { job_id: "job 1".to_owned() });
    let account = account.lock().unwrap();
    let sent = account.bodies[0].pointer("/data/attributes/profiles/data").unwrap();
    assert_eq!(sent.as_array().unwrap().len(), 2);
    assert_eq!(account.headers[0].get("revision").unwrap(), "2026-10-15");
    assert_eq!(account.headers[0].get("content-type").unwrap(), "application/vnd.api+json");
}

#[tokio::test]
async fn a_refusal_names_its_rows_by_pointer() {
    let (account, klaviyo) = serve().await;
    let error = |pointer: &str| {
        json!({"id": "x", "status": 400, "code": "invalid", "title": "Invalid input.",
            "detail": "not an e-mail", "source": {"pointer": pointer}})
    };
    account.lock().unwrap().refuse =
        Some(json!([error("/data/attributes/profiles/data/1/attributes/email")]));
    let batch = [delivery("a@b.co"), delivery("c@d.co")];
    let Submission::Refused { rows, .. } = klaviyo.submit(&batch).await.unwrap() else {
        panic!("accepted");
    };
    assert_eq!(rows.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [1]);

    // One error about the batch as a whole: nobody can be blamed.
    account.lock().unwrap().refuse =
        Some(json!([error("/data/attributes/profiles/data/1/attributes/email"), error("/data")]));
    let Submission::Refused { rows, rejection } = klaviyo.submit(&batch).await.unwrap() else {
        panic!("accepted");
    };
    assert!(rows.is_empty());
    assert_eq!(rejection.code, "invalid");
}

#[tokio::test]
async fn a_job_is_done_when_it_is_complete_and_its_errors_are_read_back() {
    let (account, klaviyo) = serve().await;
    let import_error = |email: &str| {
        json!({"type": "import-error", "id": email, "attributes": {"code": "duplicate",
            "title": "Conflicting identifiers.", "detail": format!("{email} exists"),
            "source": {"pointer": null}, "original_payload": {"email": email}}})
    };
    {
        let mut account = account.lock().unwrap();
        account.failed = 3;
        account.errors = vec![import_error("A@b.co"), import_error("c@d.co")];
    }
    assert_eq!(klaviyo.outcome("job 1").await.unwrap(), Outcome::Running);
    let Outcome::Done { rejected, unnamed } = klaviyo.outcome("job 1").await.unwrap() else {
        panic!("not done");
    };
    let emails: Vec<_> = rejected.iter().map(|(email, _)| email.as_str()).collect();
    assert_eq!(emails, ["a@b.co", "c@d.co"]);
    assert_eq!(unnamed, 1);
    // The detail repeats the address and is left out.
    assert!(!rejected[0].1.detail.contains('@'));
}

#[tokio::test]
async fn a_cancelled_or_forgotten_job_delivered_nothing() {
    let (_account, klaviyo) = serve().await;
    for id in ["cancelled", "gone"] {
        assert!(matches!(klaviyo.outcome(id).await.unwrap(), Outcome::Lost { .. }), "{id}");
    }
}

#[tokio::test]
async fn the_suppressed_are_read_lowercased() {
    let (_account, klaviyo) = serve().await;
    let suppressed = klaviyo.suppressed().await.unwrap();
    assert_eq!(suppressed.into_iter().collect::<Vec<_>>(), ["gone@example.com"]);
}

#[tokio::test]
async fn a_wrong_key_is_an_access_error_that_shows_no_key() {
    let (_account, klaviyo) = serve().await;
    klaviyo.check().await.unwrap();
    let base = klaviyo.imports.base().as_str().trim_end_matches('/').to_owned();
    let wrong = client(&base, "pk_wrong");
    let error = wrong.check().await.unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Access);
    assert!(!format!("{error:?} {wrong:?}").contains("pk_wrong"));
}
