//! Stripe: integer minor units, epoch seconds, lists newest first by `starting_after`.
//!
//! Test keys get 25 calls a second; a refusal carries `Stripe-Rate-Limited-Reason` and no wait.

use crate::world::{
    World,
    stripe::{BalanceTransaction, Charge, StripePage, StripeRefund},
};

use super::{
    json::{self, Object},
    limits::Windows,
    request::{Answer, Call, Vendor},
};

const KEY: &str = "rk_test_sandbox";
/// `rk_test_sandbox:` as the user of basic authorization.
const KEY_AS_USER: &str = "cmtfdGVzdF9zYW5kYm94Og==";
const VERSION: &str = "2026-10-28.endive";

/// Stripe's side of the server.
#[derive(Debug)]
pub(crate) struct Stripe {
    limit: Windows,
}

impl Default for Stripe {
    fn default() -> Self {
        Self { limit: Windows::new(&[(1, 25)]) }
    }
}

/// The parameters every list takes.
#[derive(Debug)]
struct Listing<'a> {
    limit: usize,
    after: Option<&'a str>,
    /// First second asked for.
    from: Option<i64>,
    /// Last second asked for.
    to: Option<i64>,
}

impl Vendor for Stripe {
    fn answer(&self, world: &World, lifted: bool, call: &Call<'_>) -> Answer {
        let known = call.authorization("bearer") == Some(KEY)
            || call.authorization("basic") == Some(KEY_AS_USER);
        let answer = if !known {
            refused(call)
        } else if !lifted && self.limit.enter().is_err() {
            too_many()
        } else {
            lists(world, call)
        };
        let version = call.header("stripe-version").unwrap_or(VERSION).to_owned();
        answer.header("request-id", "req_sandbox00000000").header("stripe-version", version)
    }

    fn too_many(&self) -> Answer {
        too_many()
    }

    fn broken(&self) -> &'static str {
        r#"{"error":{"message":"An unknown error occurred","type":"api_error"}}"#
    }
}

fn refused(call: &Call<'_>) -> Answer {
    if call.header("authorization").is_none() {
        let message = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').";
        return failure(401, None, message, None);
    }
    failure(401, None, "Invalid API Key provided: rk_test_********", None)
}

fn lists(world: &World, call: &Call<'_>) -> Answer {
    if call.method != "GET" {
        return failure(
            403,
            None,
            "The provided key does not have the required permissions for this endpoint.",
            None,
        );
    }
    let listing = match listing(call) {
        Ok(listing) => listing,
        Err((name, message)) => {
            return failure(400, Some("parameter_invalid"), &message, Some(&name));
        }
    };
    let Listing { limit, after, from, to } = listing;
    match call.parts().as_slice() {
        ["v1", "balance_transactions"] => {
            let found = world.stripe_balance_transactions(after, from, to, limit);
            page(
                "/v1/balance_transactions",
                "balance_transaction",
                after,
                found,
                balance_transaction,
            )
        }
        ["v1", "charges"] => {
            let found = world.stripe_charges(after, from, to, limit);
            page("/v1/charges", "charge", after, found, charge)
        }
        ["v1", "refunds"] => {
            let found = world.stripe_refunds(after, from, to, limit);
            page("/v1/refunds", "refund", after, found, refund)
        }
        _ => {
            let message = format!("Unrecognized request URL (GET: /{}).", call.path);
            failure(404, None, &message, None)
        }
    }
}

fn listing<'a>(call: &'a Call<'_>) -> Result<Listing<'a>, (String, String)> {
    let mut listing = Listing { limit: 10, after: None, from: None, to: None };
    for (name, value) in call.parameters() {
        let number = || {
            value.parse::<i64>().map_err(|_| (name.to_owned(), format!("Invalid integer: {value}")))
        };
        match name {
            "limit" => {
                let limit =
                    usize::try_from(number()?).ok().filter(|limit| (1..=100).contains(limit));
                let message = "This value must be between 1 and 100.".to_owned();
                listing.limit = limit.ok_or((name.to_owned(), message))?;
            }
            "starting_after" => listing.after = Some(value),
            "created" => (listing.from, listing.to) = (Some(number()?), Some(number()?)),
            "created[gte]" => listing.from = Some(number()?),
            "created[gt]" => listing.from = Some(number()? + 1),
            "created[lte]" => listing.to = Some(number()?),
            "created[lt]" => listing.to = Some(number()? - 1),
            _ => return Err((name.to_owned(), format!("Received unknown parameter: {name}"))),
        }
    }
    Ok(listing)
}

fn page<T>(
    url: &str,
    what: &str,
    after: Option<&str>,
    found: Option<StripePage<T>>,
    write: impl FnMut(&mut String, T),
) -> Answer {
    let Some(found) = found else {
        let message = format!("No such {what}: '{}'", after.unwrap_or(""));
        return failure(400, Some("resource_missing"), &message, Some("starting_after"));
    };
    let body = json::object(|o| {
        o.text("object", "list").list("data", found.rows, write);
        o.flag("has_more", found.has_more).text("url", url);
    });
    Answer::new(200, body)
}

fn balance_transaction(out: &mut String, row: BalanceTransaction) {
    let mut o = Object::new(out);
    o.text("id", &row.id).text("object", "balance_transaction").int("amount", row.amount);
    o.int("available_on", row.available_on)
        .text("balance_type", "payments")
        .int("created", row.created);
    o.text("currency", "usd")
        .text("description", &row.description)
        .null("exchange_rate")
        .int("fee", row.fee);
    o.list("fee_details", (row.fee != 0).then_some(row.fee), |out, fee| {
        let mut o = Object::new(out);
        o.int("amount", fee).null("application").text("currency", "usd");
        o.text("description", "Stripe processing fees").text("type", "stripe_fee");
    });
    o.int("net", row.amount - row.fee).text("reporting_category", row.reporting_category);
    o.maybe("source", row.source.as_deref()).text("status", row.status).text("type", row.kind);
}

fn charge(out: &mut String, row: Charge) {
    let mut o = Object::new(out);
    o.text("id", &row.id)
        .text("object", "charge")
        .int("amount", row.amount)
        .int("amount_captured", row.amount);
    o.int("amount_refunded", row.amount_refunded);
    for name in ["application", "application_fee", "application_fee_amount"] {
        o.null(name);
    }
    o.text("balance_transaction", &row.balance_transaction).object("billing_details", |o| {
        for name in ["address", "email", "name", "phone", "tax_id"] {
            o.null(name);
        }
    });
    o.text("calculated_statement_descriptor", "INKHOUSE SANDBOX")
        .flag("captured", true)
        .int("created", row.created);
    o.text("currency", "usd")
        .maybe("customer", row.customer.as_deref())
        .text("description", &row.description);
    o.flag("disputed", false);
    for name in ["failure_balance_transaction", "failure_code", "failure_message"] {
        o.null(name);
    }
    o.object("fraud_details", |_| ()).flag("livemode", false);
    metadata(&mut o, row.order_id).null("on_behalf_of").object("outcome", |o| {
        o.text("network_status", "approved_by_network").null("reason").text("risk_level", "normal");
        o.text("seller_message", "Payment complete.").text("type", "authorized");
    });
    o.flag("paid", true).text("payment_intent", &row.payment_intent);
    for name in [
        "payment_method",
        "payment_method_details",
        "receipt_email",
        "receipt_number",
        "receipt_url",
    ] {
        o.null(name);
    }
    o.flag("refunded", row.amount_refunded >= row.amount);
    for name in [
        "review",
        "shipping",
        "source",
        "source_transfer",
        "statement_descriptor",
        "statement_descriptor_suffix",
    ] {
        o.null(name);
    }
    o.text("status", "succeeded").null("transfer_data").null("transfer_group");
}

fn refund(out: &mut String, row: StripeRefund) {
    let mut o = Object::new(out);
    o.text("id", &row.id).text("object", "refund").int("amount", row.amount);
    o.text("balance_transaction", &row.balance_transaction)
        .text("charge", &row.charge)
        .int("created", row.created);
    o.text("currency", "usd").null("customer").null("customer_account").object(
        "destination_details",
        |o| {
            o.text("type", "card");
        },
    );
    metadata(&mut o, Some(row.order_id))
        .text("payment_intent", &row.payment_intent)
        .null("payment_method");
    o.text("reason", "requested_by_customer");
    for name in ["receipt_number", "source_transfer_reversal"] {
        o.null(name);
    }
    o.text("status", "succeeded").null("transfer_reversal");
}

fn metadata<'a, 'b>(o: &'a mut Object<'b>, order_id: Option<u64>) -> &'a mut Object<'b> {
    o.object("metadata", |o| {
        if let Some(id) = order_id {
            o.text("order_id", &id.to_string());
        }
    })
}

fn failure(status: u16, code: Option<&str>, message: &str, param: Option<&str>) -> Answer {
    let body = json::object(|o| {
        o.object("error", |o| {
            if let Some(code) = code {
                o.text("code", code);
            }
            o.text("message", message);
            if let Some(param) = param {
                o.text("param", param);
            }
            o.text("type", "invalid_request_error");
        });
    });
    Answer::new(status, body)
}

/// Stripe's 429.
fn too_many() -> Answer {
    failure(429, Some("rate_limit"), "Request rate limit exceeded.", None)
        .header("stripe-rate-limited-reason", "endpoint-rate")
        .header("stripe-should-retry", "true")
}
