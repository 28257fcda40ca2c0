//! Printify, Printful, Stripe and Meta: every endpoint against what the vendor publishes of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{get, sandbox, schema::validate, spec, spec_json};

#[tokio::test]
async fn printify_orders_have_the_fields_of_the_documented_samples() {
    let running = sandbox("", false).await;
    let base = format!("{}/v1", running.base_url("printify"));
    let auth = [("authorization", "Bearer pat_sandbox")];
    let shop = get(&format!("{base}/shops.json"), &auth).await.1[0]["id"].clone();
    let (status, page) =
        get(&format!("{base}/shops/{shop}/orders.json?limit=10&page=1"), &auth).await;
    assert_eq!((status, page["data"].as_array().map(Vec::len)), (200, Some(10)));
    assert_eq!(page["next_page_url"], "/?page=2");
    assert_eq!(get(&format!("{base}/shops/{shop}/orders.json?limit=11"), &auth).await.0, 400);
    assert_eq!(
        get(&format!("{base}/shops.json"), &[("authorization", "Bearer no")]).await,
        (
            401,
            serde_json::json!({"error": "Unauthenticated", "request_id": "5eedf00d-0000-4000-8000-000000000401"})
        )
    );
    let first = &page["data"][0];
    let one =
        get(&format!("{base}/shops/{shop}/orders/{}.json", first["id"].as_str().unwrap()), &auth)
            .await
            .1;
    assert_eq!(&one, first);
    let product =
        get(&format!("{base}/shops/{shop}/products.json?limit=50"), &auth).await.1["data"][0]
            .clone();
    let path = format!(
        "{base}/catalog/blueprints/{}/print_providers/{}/shipping.json",
        product["blueprint_id"], product["print_provider_id"]
    );
    assert!(get(&path, &auth).await.1["profiles"][0]["first_item"]["cost"].is_i64());
    let Some(samples) = spec_json("sources/printify/docs_sample_orders.json") else { return };
    let sample = &samples["orders_page"]["data"][0];
    let mut missing = Vec::new();
    for number in 1..=10 {
        let page = get(&format!("{base}/shops/{shop}/orders.json?page={number}"), &auth).await.1;
        let done = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|order| {
                order["shipments"][0]["delivered_at"].is_string()
                    && order["metadata"]["order_type"] == "external"
            })
            .cloned();
        if let Some(order) = done {
            compare(sample, &order, "", &mut missing);
            assert!(missing.is_empty(), "{missing:?}");
            return;
        }
    }
    panic!("no fulfilled order in a hundred");
}

/// Every field of the sample is there, of its type.
fn compare(sample: &Value, value: &Value, at: &str, missing: &mut Vec<String>) {
    match (sample, value) {
        (Value::Object(fields), Value::Object(_)) => fields.iter().for_each(|(name, field)| {
            compare(field, &value[name], &format!("{at}/{name}"), missing);
        }),
        (Value::Array(rows), Value::Array(_)) => {
            compare(&rows[0], &value[0], &format!("{at}/0"), missing);
        }
        // The id of the shop's order is a number or a text, as it likes.
        _ if at.ends_with("shop_order_id") => {}
        _ if std::mem::discriminant(sample) == std::mem::discriminant(value) => {}
        _ => missing.push(format!("{at}: {value} instead of {sample}")),
    }
}

#[tokio::test]
async fn printful_answers_fit_its_openapi() {
    let running = sandbox("", false).await;
    let base = running.base_url("printful");
    let auth = [("authorization", "Bearer pf_sandbox"), ("x-pf-store-id", "4242")];
    let orders = get(&format!("{base}/orders?limit=100"), &auth).await.1;
    let order = &orders["result"]
        .as_array()
        .unwrap()
        .iter()
        .find(|order| order["external_id"].is_string())
        .unwrap()
        .clone();
    let one = get(&format!("{base}/orders/{}", order["id"]), &auth).await.1;
    assert_eq!(
        get(&format!("{base}/orders/@{}", order["external_id"].as_str().unwrap()), &auth).await.1,
        one
    );
    let products = get(&format!("{base}/store/products?limit=100"), &auth).await.1;
    let detail =
        get(&format!("{base}/store/products/{}", products["result"][0]["id"]), &auth).await.1;
    let used = &detail["result"]["sync_variants"][0]["product"]["product_id"];
    let catalog = get(&format!("{base}/products/{used}"), &auth).await.1;
    assert_eq!(get(&format!("{base}/orders"), &auth[..1]).await.0, 400);
    assert_eq!(get(&format!("{base}/orders/1"), &auth).await.0, 404);
    assert_eq!(
        get(&format!("{base}/orders"), &[("authorization", "Bearer x")]).await.1["error"]["reason"],
        "Unauthorized"
    );
    let Some(spec) = spec_json("sources/printful/printful_v1_openapi.json") else { return };
    let mut found = Vec::new();
    for (name, answer) in [
        ("Orders", orders),
        ("Order", one),
        ("SyncProducts", products),
        ("SyncProductInfo", detail),
        ("GetProductById", catalog),
    ] {
        let schema =
            &spec["components"]["responses"][name]["content"]["application/json"]["schema"];
        validate(&spec, schema, &answer, name, &mut found);
    }
    found.truncate(30);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn stripe_objects_have_the_fields_of_the_sdk() {
    let running = sandbox("", true).await;
    let base = format!("{}/v1", running.base_url("stripe"));
    let auth = [("authorization", "Bearer rk_test_sandbox")];
    let list = async |name: &str| get(&format!("{base}/{name}?limit=100"), &auth).await.1;
    let (transactions, charges, refunds) =
        (list("balance_transactions").await, list("charges").await, list("refunds").await);
    assert_eq!(
        (&charges["has_more"], &charges["url"]),
        (&Value::Bool(true), &Value::from("/v1/charges"))
    );
    let last = charges["data"][99]["id"].as_str().unwrap();
    let next = get(&format!("{base}/charges?limit=2&starting_after={last}"), &auth).await.1;
    assert!(next["data"][0]["created"].as_i64() <= charges["data"][99]["created"].as_i64());
    assert_eq!(
        get(&format!("{base}/charges?starting_after=ch_no"), &auth).await.1["error"]["code"],
        "resource_missing"
    );
    assert_eq!(get(&format!("{base}/charges"), &[]).await.0, 401);
    let since = charges["data"][5]["created"].as_i64().unwrap();
    let newer = get(&format!("{base}/charges?limit=100&created[gt]={since}"), &auth).await.1;
    assert_eq!(newer["data"].as_array().map(Vec::len), Some(5));
    let Some(digest) = spec("sources/stripe/field_digest_2026-10-28.endive.tsv") else { return };
    let digest = String::from_utf8(digest).unwrap();
    for (interface, rows) in
        [("BalanceTransaction", transactions), ("Charge", charges), ("Refund", refunds)]
    {
        let fields: BTreeMap<&str, &str> = digest
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .filter(|row| row[1] == interface)
            .map(|row| (row[2], row[3]))
            .collect();
        for row in rows["data"].as_array().unwrap() {
            let given = row.as_object().unwrap();
            for (name, kind) in &fields {
                match given.get(name.trim_end_matches('?')) {
                    Some(value) => {
                        assert!(fits(kind, value), "{interface}.{name}: {value} is no {kind}");
                    }
                    None => assert!(name.ends_with('?'), "{interface}.{name} is missing"),
                }
            }
            for name in given.keys() {
                assert!(
                    fields.keys().any(|known| known.trim_end_matches('?') == name),
                    "{interface}.{name} is unknown"
                );
            }
        }
    }
}

fn fits(kind: &str, value: &Value) -> bool {
    kind.split('|').map(str::trim).any(|kind| match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        kind if kind.starts_with('\'') => value.as_str() == Some(kind.trim_matches('\'')),
        kind if kind.starts_with("Array<") => value.is_array(),
        // Names of the SDK's own: enums are texts, the rest objects.
        _ => value.is_object() || value.is_string(),
    })
}

#[tokio::test]
async fn meta_insights_have_known_fields_and_page_by_cursor() {
    let running = sandbox("", true).await;
    let base = format!("{}/v26.0/act_1001", running.base_url("meta"));
    let account = get(
        &format!("{base}?fields=id,account_id,name,currency,timezone_name&access_token=EAAsandbox"),
        &[],
    )
    .await
    .1;
    assert_eq!(
        (account["id"].as_str(), account["timezone_name"].as_str()),
        (Some("act_1001"), Some("America/New_York"))
    );
    let fields = "account_id,account_currency,campaign_id,campaign_name,adset_id,adset_name,ad_id,ad_name,impressions,reach,clicks,inline_link_clicks,spend,actions,action_values";
    let filter = "%5B%7B%22field%22%3A%22ad.effective_status%22%2C%22operator%22%3A%22IN%22%2C%22value%22%3A%5B%22ACTIVE%22%2C%22ARCHIVED%22%5D%7D%5D";
    let url = format!(
        "{base}/insights?level=ad&time_increment=1&time_range=%7B%22since%22%3A%222026-10-01%22%2C%22until%22%3A%222026-10-20%22%7D&limit=7&fields={fields}&filtering={filter}"
    );
    let auth = [("authorization", "Bearer EAAsandbox")];
    let (mut rows, mut next) = (Vec::new(), Some(url));
    while let Some(url) = next {
        let page = get(&url, &auth).await.1;
        rows.extend(page["data"].as_array().unwrap().clone());
        next = page["paging"]["next"].as_str().map(str::to_owned);
    }
    let mut keys: Vec<String> =
        rows.iter().map(|row| format!("{}{}", row["date_start"], row["ad_id"])).collect();
    assert!(keys.len() > 14);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), rows.len());
    let (status, wrong) = get(&format!("{base}?access_token=no"), &[]).await;
    assert_eq!(
        (status, &wrong["error"]["code"], wrong["error"]["type"].as_str()),
        (401, &Value::from(190), Some("OAuthException"))
    );
    let Some(spec) = spec_json("sources/meta/spec_AdsInsights.json") else { return };
    let known: Vec<&str> = spec["fields"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|field| field["name"].as_str())
        .collect();
    for row in &rows {
        for (name, value) in row.as_object().unwrap() {
            assert!(known.contains(&name.as_str()), "{name}");
            assert!(value.is_string() || name.starts_with("action"), "{name}: {value}");
        }
    }
}
