//! Klaviyo: requests and answers against the vendor's `OpenAPI` file.

use serde_json::{Value, json};

use super::{client, get, sandbox, schema::validate, spec_json};

const AUTH: [(&str, &str); 2] =
    [("authorization", "Klaviyo-API-Key pk_sandbox"), ("revision", "2026-10-15")];

async fn import(base: &str, emails: &[&str]) -> (u16, Value) {
    import_with(base, emails, &json!({"family": "y2k", "score": 7})).await
}

async fn import_with(base: &str, emails: &[&str], properties: &Value) -> (u16, Value) {
    let profiles: Vec<Value> = emails.iter().map(|email| json!({"type": "profile", "attributes": {"email": email, "properties": properties}})).collect();
    let body = json!({"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": profiles}}}});
    if let Some(spec) = spec_json("destinations/klaviyo/profiles.json") {
        let mut found = Vec::new();
        validate(
            &spec,
            &json!({"$ref": "#/components/schemas/ProfileImportJobCreateQuery"}),
            &body,
            "request",
            &mut found,
        );
        assert!(found.is_empty(), "{found:?}");
    }
    let request = client()
        .post(format!("{base}/api/profile-bulk-import-jobs"))
        .header("content-type", "application/vnd.api+json");
    let request = AUTH.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let reply = request.body(body.to_string()).send().await.unwrap();
    (reply.status().as_u16(), serde_json::from_str(&reply.text().await.unwrap()).unwrap())
}

fn check(path: &str, method: &str, status: &str, answer: &Value) {
    let Some(spec) = spec_json("destinations/klaviyo/profiles.json") else { return };
    let schema = &spec["paths"][path][method]["responses"][status];
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(name) => spec.pointer(name.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let mut found = Vec::new();
    validate(
        &spec,
        &schema["content"]["application/vnd.api+json"]["schema"],
        answer,
        path,
        &mut found,
    );
    // Errors carry `status`, `links` and `meta` beside what the file declares.
    found.retain(|line| status != "4XX" || !line.ends_with("is not declared"));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn an_import_runs_as_a_job_and_tells_its_errors() {
    let running = sandbox("", false).await;
    let base = running.base_url("klaviyo");
    let (status, created) =
        import(&base, &["A@example.com", "b@gone.invalid", "c@example.com"]).await;
    assert_eq!(status, 202);
    check("/api/profile-bulk-import-jobs", "post", "202", &created);
    let id = created["data"]["id"].as_str().unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (_, job) = get(&format!("{base}/api/profile-bulk-import-jobs/{id}"), &AUTH).await;
        check("/api/profile-bulk-import-jobs/{job_id}", "get", "200", &job);
        seen.push(job["data"]["attributes"]["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["queued", "processing", "complete"]);
    let (_, errors) =
        get(&format!("{base}/api/profile-bulk-import-jobs/{id}/import-errors"), &AUTH).await;
    check("/api/profile-bulk-import-jobs/{id}/import-errors", "get", "200", &errors);
    assert_eq!(errors["data"][0]["attributes"]["original_payload"]["email"], "b@gone.invalid");
    let held: Vec<String> =
        running.klaviyo_profiles().into_iter().map(|profile| profile.identifier).collect();
    assert_eq!(held, ["a@example.com", "c@example.com"]);
    assert_eq!(running.requests_of("klaviyo", "POST"), 1);
    let (_, stats) = get(&format!("http://{}/_sandbox/stats", running.addr), &[]).await;
    assert_eq!(
        (&stats["requests"]["klaviyo"]["POST"], &stats["klaviyo_profiles"]),
        (&json!(1), &json!(2))
    );
    let (_, dump) = get(&format!("http://{}/_sandbox/klaviyo/profiles", running.addr), &[]).await;
    assert_eq!(dump["a@example.com"], json!({"family": "y2k", "score": 7}));
}

#[tokio::test]
async fn a_malformed_address_a_missing_revision_and_a_wrong_key_are_refused() {
    let running = sandbox("", false).await;
    let base = running.base_url("klaviyo");
    let (status, refusal) = import(&base, &["a@example.com", "not an address"]).await;
    assert_eq!(
        (status, &refusal["errors"][0]["source"]["pointer"]),
        (400, &json!("/data/attributes/profiles/data/1/attributes/email"))
    );
    check("/api/profile-bulk-import-jobs", "post", "4XX", &refusal);
    assert_eq!(running.klaviyo_profile_count(), 0);
    assert_eq!(get(&format!("{base}/api/profiles"), &AUTH[..1]).await.0, 400);
    assert_eq!(
        get(&format!("{base}/api/profiles"), &[AUTH[1], ("authorization", "Klaviyo-API-Key no")])
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn suppressed_profiles_are_listed_page_by_page() {
    let running = sandbox("", false).await;
    let filter = "greater-or-equal(subscriptions.email.marketing.suppression.timestamp%2C2000-01-01T00:00:00Z)";
    let mut next = Some(format!(
        "{}/api/profiles?filter={filter}&page[size]=2&additional-fields[profile]=subscriptions",
        running.base_url("klaviyo")
    ));
    let mut emails = Vec::new();
    while let Some(url) = next {
        let (status, page) = get(&url, &AUTH).await;
        assert_eq!(status, 200, "{page}");
        check("/api/profiles", "get", "200", &page);
        emails.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["attributes"]["email"].as_str().unwrap().to_owned()),
        );
        next = page["links"]["next"].as_str().map(str::to_owned);
    }
    assert!(!emails.is_empty());
    assert_eq!(emails, running.klaviyo_suppressed());
}

#[tokio::test]
async fn the_eleventh_import_of_a_second_waits() {
    let running = sandbox("", false).await;
    let base = running.base_url("klaviyo");
    let request = client();
    let mut limited = None;
    for _ in 0..40 {
        let call = request.get(format!("{base}/api/profile-bulk-import-jobs/x"));
        let call = AUTH.iter().fold(call, |call, (name, value)| call.header(*name, *value));
        let reply = call.send().await.unwrap();
        if reply.status().as_u16() == 429 {
            limited = reply
                .headers()
                .get("retry-after")
                .map(|wait| wait.to_str().unwrap().parse::<u64>().unwrap());
            break;
        }
    }
    assert!(limited.is_some_and(|wait| wait >= 1));
}

#[tokio::test]
async fn a_null_clears_a_property_and_an_absent_one_stays() {
    let running = sandbox("", false).await;
    let base = running.base_url("klaviyo");
    import(&base, &["a@example.com"]).await;
    let (_, created) = import_with(&base, &["a@example.com"], &json!({"family": null})).await;
    let id = created["data"]["id"].as_str().unwrap();
    for _ in 0..3 {
        get(&format!("{base}/api/profile-bulk-import-jobs/{id}"), &AUTH).await;
    }
    let held: Vec<Value> =
        running.klaviyo_profiles().into_iter().map(|profile| profile.properties).collect();
    assert_eq!(held, [json!({"score": 7})]);
}
