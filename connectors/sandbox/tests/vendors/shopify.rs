//! Shopify's answers walked along the vendor's introspection of Admin API 2026-10.

use std::{collections::HashMap, io::Read, time::Instant};

use flate2::read::GzDecoder;
use sandbox::{Running, ServeOptions, World, WorldOptions, serve};
use serde_json::{Value, json};

use super::{client, sandbox, spec};

const BAG: &str = "{ __typename shopMoney { __typename amount currencyCode } presentmentMoney { __typename amount currencyCode } }";

async fn ask(running: &Running, query: &str, variables: Value) -> Value {
    let url = format!("{}/admin/api/2026-10/graphql.json", running.base_url("shopify"));
    let body = json!({"query": query, "variables": variables}).to_string();
    let request = client()
        .post(url)
        .header("X-Shopify-Access-Token", "shpat_sandbox")
        .header("content-type", "application/json");
    serde_json::from_str(&request.body(body).send().await.unwrap().text().await.unwrap()).unwrap()
}

fn orders_query() -> String {
    let tax = format!(
        "taxLines {{ __typename title rate ratePercentage priceSet {BAG} channelLiable source }}"
    );
    let allocations = format!("discountAllocations {{ __typename allocatedAmountSet {BAG} }}");
    let visit = "{ __typename id occurredAt source sourceDescription sourceType referrerUrl landingPage referralCode utmParameters { __typename source medium campaign content term } }";
    let bags: String = [
        "totalPriceSet",
        "currentTotalPriceSet",
        "originalTotalPriceSet",
        "subtotalPriceSet",
        "totalDiscountsSet",
        "totalTaxSet",
        "totalShippingPriceSet",
        "totalRefundedSet",
        "netPaymentSet",
        "totalReceivedSet",
        "totalTipReceivedSet",
    ]
    .iter()
    .map(|name| format!("{name} {BAG}"))
    .collect::<Vec<_>>()
    .join(" ");
    format!(
        "query Q($first: Int!, $after: String, $query: String) {{ orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{ __typename
           edges {{ __typename cursor }} pageInfo {{ __typename hasNextPage hasPreviousPage startCursor endCursor }}
           nodes {{ __typename id legacyResourceId name number createdAt processedAt updatedAt cancelledAt cancelReason closedAt closed confirmed test edited note
             currencyCode presentmentCurrencyCode taxesIncluded dutiesIncluded displayFinancialStatus displayFulfillmentStatus sourceName discountCodes tags
             {bags} shippingAddress {{ __typename city countryCodeV2 provinceCode zip }}
             customer {{ __typename id legacyResourceId }} {tax}
             customerJourneySummary {{ __typename ready customerOrderIndex daysToConversion momentsCount {{ __typename count precision }} firstVisit {visit} lastVisit {visit} }}
             lineItems(first: 20) {{ __typename nodes {{ __typename id title name sku quantity currentQuantity refundableQuantity vendor variantTitle isGiftCard requiresShipping taxable
               variant {{ __typename id }} product {{ __typename id }} customAttributes {{ __typename key value }} originalUnitPriceSet {BAG} originalTotalSet {BAG} discountedTotalSet {BAG} totalDiscountSet {BAG} {allocations} {tax} }} }}
             shippingLines(first: 5, includeRemovals: true) {{ __typename nodes {{ __typename id title code source carrierIdentifier isRemoved originalPriceSet {BAG} discountedPriceSet {BAG} currentDiscountedPriceSet {BAG} {allocations} {tax} }} }}
             refunds {{ __typename id legacyResourceId createdAt processedAt updatedAt note totalRefundedSet {BAG}
               refundLineItems(first: 20) {{ __typename nodes {{ __typename id quantity restockType restocked lineItem {{ __typename id }} priceSet {BAG} subtotalSet {BAG} totalTaxSet {BAG} }} }}
               refundShippingLines(first: 5) {{ __typename nodes {{ __typename id subtotalAmountSet {BAG} taxAmountSet {BAG} shippingLine {{ __typename id }} }} }}
               orderAdjustments(first: 5) {{ __typename nodes {{ __typename id reason amountSet {BAG} taxAmountSet {BAG} }} }} }}
             transactions {{ __typename id kind status gateway paymentId createdAt processedAt test amountSet {BAG} fees {{ id rate rateName type amount {{ amount }} }} parentTransaction {{ __typename id }} }}
             fulfillments {{ __typename id legacyResourceId status displayStatus createdAt updatedAt deliveredAt service {{ __typename handle serviceName }} }} }} }} }}"
    )
}

const PRODUCTS: &str = "query { products(first: 250, query: \"status:active,draft,archived\") { __typename pageInfo { __typename hasNextPage }
  nodes { __typename id legacyResourceId handle title status productType vendor tags createdAt updatedAt publishedAt
    metafields(first: 20) { __typename nodes { __typename id legacyResourceId namespace key type value createdAt updatedAt } }
    variants(first: 50) { __typename nodes { __typename id legacyResourceId sku title displayName position price compareAtPrice createdAt updatedAt
      selectedOptions { __typename name value } inventoryItem { __typename id sku tracked unitCost { amount } } product { __typename id } } } } } }";

const CUSTOMERS: &str = "query { shop { __typename id name email url myshopifyDomain currencyCode ianaTimezone }
  customers(first: 250, sortKey: UPDATED_AT) { __typename nodes { __typename id legacyResourceId createdAt updatedAt firstName lastName displayName locale numberOfOrders tags verifiedEmail
    amountSpent { __typename amount currencyCode } defaultEmailAddress { __typename emailAddress marketingState marketingOptInLevel marketingUpdatedAt }
    defaultPhoneNumber { __typename phoneNumber marketingState } } } }";

/// Checks a value against a type of the introspection; objects tell theirs by `__typename`.
fn walk(
    types: &HashMap<String, Value>,
    kind: &Value,
    value: &Value,
    at: &str,
    found: &mut Vec<String>,
) {
    let name = kind["name"].as_str().unwrap_or("");
    match kind["kind"].as_str().unwrap_or("") {
        "NON_NULL" if value.is_null() => found.push(format!("{at}: null")),
        "NON_NULL" => walk(types, &kind["ofType"], value, at, found),
        _ if value.is_null() => {}
        "LIST" => match value.as_array() {
            Some(rows) => rows.iter().enumerate().for_each(|(i, row)| {
                walk(types, &kind["ofType"], row, &format!("{at}/{i}"), found);
            }),
            None => found.push(format!("{at}: no list")),
        },
        "ENUM" => {
            let known = types[name]["enumValues"]
                .as_array()
                .unwrap()
                .iter()
                .any(|known| known["name"] == *value);
            if !known {
                found.push(format!("{at}: {value} is no {name}"));
            }
        }
        "SCALAR" => {
            let fits = match name {
                "Int" => value.is_i64(),
                "Float" => value.is_number(),
                "Boolean" => value.is_boolean(),
                "Decimal" | "Money" => value.as_str().is_some_and(|text| {
                    text.contains('.')
                        && text
                            .trim_start_matches('-')
                            .bytes()
                            .all(|b| b.is_ascii_digit() || b == b'.')
                }),
                "UnsignedInt64" => {
                    value.as_str().is_some_and(|text| text.bytes().all(|b| b.is_ascii_digit()))
                }
                "DateTime" => {
                    value.as_str().is_some_and(|text| text.len() == 20 && text.ends_with('Z'))
                }
                "URL" => value.as_str().is_some_and(|text| text.starts_with("https://")),
                _ => value.is_string(),
            };
            if !fits {
                found.push(format!("{at}: {value} is no {name}"));
            }
        }
        _ => {
            let Some(fields) = value.as_object() else {
                return found.push(format!("{at}: no object"));
            };
            if let Some(told) = value["__typename"].as_str()
                && told != name
                && types[name]["kind"] == "OBJECT"
            {
                found.push(format!("{at}: {told} is no {name}"));
            }
            let declared = types[name]["fields"].as_array().unwrap();
            for (field, value) in fields.iter().filter(|(field, _)| *field != "__typename") {
                match declared.iter().find(|known| known["name"] == field.as_str()) {
                    Some(known) => {
                        walk(types, &known["type"], value, &format!("{at}/{field}"), found);
                    }
                    None => found.push(format!("{at}: {name} has no {field}")),
                }
            }
        }
    }
}

#[tokio::test]
async fn every_field_has_the_name_and_shape_of_the_introspection() {
    let Some(bytes) = spec("sources/shopify/admin_2026-10.json.gz") else { return };
    let mut text = String::new();
    GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let all = document["data"]["__schema"]["types"].as_array().unwrap();
    let types: HashMap<String, Value> =
        all.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one.clone())).collect();
    let running = sandbox("", true).await;
    let root = json!({"kind": "OBJECT", "name": "QueryRoot"});
    let mut found = Vec::new();
    let orders = ask(
        &running,
        &orders_query(),
        json!({"first": 250, "query": "updated_at:>='2024-01-01T00:00:00Z'"}),
    )
    .await;
    assert_eq!(orders["data"]["orders"]["nodes"].as_array().map(Vec::len), Some(250), "{orders}");
    for answer in [
        orders,
        ask(&running, PRODUCTS, json!({})).await,
        ask(&running, CUSTOMERS, json!({})).await,
    ] {
        assert!(answer.get("errors").is_none(), "{}", answer["errors"]);
        walk(&types, &root, &answer["data"], "", &mut found);
    }
    found.truncate(30);
    assert!(found.is_empty(), "{}", found.join("\n"));
    running.stop().await;
}

#[tokio::test]
async fn a_walk_meets_every_order_once_and_nested_pages_go_on() {
    let running = sandbox("", true).await;
    let query = "query($after: String) { orders(first: 40, after: $after, sortKey: UPDATED_AT) { nodes { id lineItems(first: 1) { nodes { id } pageInfo { hasNextPage endCursor } } } pageInfo { hasNextPage endCursor } } }";
    let rest = "query($id: ID!, $after: String) { node(id: $id) { id ... on Order { lineItems(first: 50, after: $after) { nodes { id } pageInfo { hasNextPage } } } } }";
    let mut ids = Vec::new();
    let mut after = Value::Null;
    let mut completed = 0;
    loop {
        let answer = ask(&running, query, json!({"after": after})).await;
        let page = &answer["data"]["orders"];
        for order in page["nodes"].as_array().unwrap() {
            ids.push(order["id"].as_str().unwrap().to_owned());
            let lines = &order["lineItems"];
            if lines["pageInfo"]["hasNextPage"] == true && completed < 5 {
                let more = ask(
                    &running,
                    rest,
                    json!({"id": order["id"], "after": lines["pageInfo"]["endCursor"]}),
                )
                .await;
                assert_ne!(
                    more["data"]["node"]["lineItems"]["nodes"][0]["id"],
                    lines["nodes"][0]["id"]
                );
                completed += 1;
            }
        }
        if page["pageInfo"]["hasNextPage"] != true {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert!(completed > 0);
    assert_eq!(ids.len(), 300);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 300);
}

#[tokio::test]
async fn mistakes_are_answered_in_shopifys_words() {
    let running = sandbox("", false).await;
    let unknown = ask(&running, "{ orders(first: 1) { nodes { id colour } } }", json!({})).await;
    assert_eq!(unknown["errors"][0]["message"], "Field 'colour' doesn't exist on type 'Order'");
    assert_eq!(unknown["errors"][0]["extensions"]["code"], "undefinedField");
    let unsized_ = ask(&running, "{ orders { nodes { id } } }", json!({})).await;
    assert_eq!(unsized_["errors"][0]["message"], "you must provide one of first or last");
    let dear = ask(&running, &orders_query(), json!({"first": 250})).await;
    assert_eq!(dear["errors"][0]["extensions"]["code"], "MAX_COST_EXCEEDED");
    let warned =
        ask(&running, "{ orders(first: 1, query: \"colour:red\") { nodes { id } } }", json!({}))
            .await;
    assert_eq!(warned["extensions"]["search"][0]["warnings"][0]["code"], "invalid_field");
    let null = ask(&running, "query($id: ID!) { node(id: $id) { id } }", json!({"id": null})).await;
    assert_eq!(null["errors"][0]["extensions"]["code"], "INVALID_VARIABLE");
    let mut codes = Vec::new();
    for _ in 0..6 {
        let answer = ask(
            &running,
            "{ products(first: 250) { nodes { id variants(first: 1) { nodes { id } } } } }",
            json!({}),
        )
        .await;
        codes.push(answer["errors"][0]["extensions"]["code"].clone());
    }
    assert!(codes.contains(&json!("MAX_COST_EXCEEDED")), "{codes:?}");
    let mut throttled = false;
    for _ in 0..40 {
        let answer = ask(&running, "{ customers(first: 190) { nodes { id amountSpent { amount } defaultEmailAddress { emailAddress } defaultPhoneNumber { phoneNumber } } } }", json!({})).await;
        throttled |= answer["errors"][0]["extensions"]["code"] == "THROTTLED";
    }
    assert!(throttled);
    let url = format!("{}/admin/api/2026-10/graphql.json", running.base_url("shopify"));
    let refused = client()
        .post(url)
        .header("X-Shopify-Access-Token", "wrong")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    assert!(refused.text().await.unwrap().starts_with("{\"errors\":\"[API] Invalid API key"));
}

/// `cargo test -p sandbox --release --test vendors -- --ignored --nocapture` prints the time.
#[tokio::test]
#[ignore = "a measurement, for release builds"]
async fn a_page_of_250_orders_takes_milliseconds() {
    let world = World::new(WorldOptions { orders: 200_000, ..WorldOptions::default() });
    let options = ServeOptions { lift_limits: true, ..ServeOptions::default() };
    let running = serve(world, options).await.unwrap();
    let url = format!("{}/admin/api/2026-10/graphql.json", running.base_url("shopify"));
    let http = client();
    let query = orders_query().replace("__typename ", "");
    let mut after = Value::Null;
    for page in 0..8 {
        let body = json!({"query": query, "variables": {"first": 250, "after": after}}).to_string();
        let start = Instant::now();
        let request = http.post(&url).header("X-Shopify-Access-Token", "shpat_sandbox").body(body);
        let text = request.send().await.unwrap().text().await.unwrap();
        println!("page {page}: {:?}, {} bytes", start.elapsed(), text.len());
        let answer: Value = serde_json::from_str(&text).unwrap();
        after = answer["data"]["orders"]["pageInfo"]["endCursor"].clone();
    }
    running.stop().await;
}
