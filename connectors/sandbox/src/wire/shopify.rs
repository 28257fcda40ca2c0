//! Shopify's Admin GraphQL 2026-10: one endpoint that answers exactly the fields it is asked for.
//!
//! A refusal is mostly a 200 with a code in `errors[].extensions`: `THROTTLED` when the bucket of
//! 2000 points (100 back each second) is empty, `MAX_COST_EXCEEDED` over 1000 points a query. What an
//! answer did not use of its price is given back. A wrong token is a 401 whose `errors` is a text.

mod graphql;
mod nodes;
mod plan;
mod render;
mod roots;
mod schema;
mod search;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value as Json};

use crate::world::World;

use super::{
    json::{self, Object},
    limits::Bucket,
    request::{Answer, Call, Vendor},
};
use graphql::Place;
use plan::{Plan, QueryError, Variables, costs, filled};
use render::Renderer;

const TOKEN: &str = "shpat_sandbox";
const VERSION: &str = "2026-10";
const ENDPOINT: &str = "admin/api/2026-10/graphql.json";
const MAX_COST: u64 = 1_000;
/// Query texts kept ready.
const CACHED: usize = 256;
const LIMITS_PAGE: &str = "https://shopify.dev/api/usage/rate-limits";

type Compiled = Arc<Result<Plan, Vec<QueryError>>>;

/// Shopify's side of the server.
#[derive(Debug)]
pub(crate) struct Shopify {
    bucket: Bucket,
    /// By query text and operation name.
    plans: Mutex<HashMap<(String, String), Compiled>>,
}

impl Default for Shopify {
    fn default() -> Self {
        Self { bucket: Bucket::new(2_000, 100), plans: Mutex::default() }
    }
}

/// A failure while answering: message, code.
#[derive(Debug)]
struct Failure {
    message: String,
    code: &'static str,
    place: Place,
    path: Option<String>,
}

impl Vendor for Shopify {
    fn answer(&self, world: &World, lifted: bool, call: &Call<'_>) -> Answer {
        let answer = self.graphql(world, lifted, call);
        answer
            .header("x-shopify-api-version", VERSION)
            .header("x-request-id", "5eedf00d-0000-4000-8000-000000000200")
    }

    fn too_many(&self) -> Answer {
        too_many()
    }

    fn broken(&self) -> &'static str {
        r#"{"errors":"Internal Server Error"}"#
    }

    fn throttled(&self) -> Option<Answer> {
        Some(throttled())
    }
}

impl Shopify {
    fn graphql(&self, world: &World, lifted: bool, call: &Call<'_>) -> Answer {
        if call.path != ENDPOINT {
            return Answer::new(404, r#"{"errors":"Not Found"}"#.to_owned());
        }
        if call.header("x-shopify-access-token") != Some(TOKEN) {
            let text =
                "[API] Invalid API key or access token (unrecognized login or wrong password)";
            return Answer::new(
                401,
                json::object(|o| {
                    o.text("errors", text);
                }),
            );
        }
        if call.method != "POST" {
            return Answer::new(405, r#"{"errors":"Method Not Allowed"}"#.to_owned());
        }
        let Ok(Json::Object(body)) = serde_json::from_slice::<Json>(call.body) else {
            return Answer::new(
                400,
                r#"{"errors":{"query":"Required parameter missing or invalid"}}"#.to_owned(),
            );
        };
        let Some(query) = body.get("query").and_then(Json::as_str) else {
            return Answer::new(
                400,
                r#"{"errors":{"query":"Required parameter missing or invalid"}}"#.to_owned(),
            );
        };
        let operation = body.get("operationName").and_then(Json::as_str).unwrap_or("");
        let compiled = self.compiled(query, operation);
        let plan = match compiled.as_ref() {
            Ok(plan) => plan,
            Err(errors) => return Answer::new(200, query_errors(errors)),
        };
        match variables(plan, body.get("variables")) {
            Ok(variables) => self.run(world, lifted, plan, &variables),
            Err(answer) => Answer::new(200, answer),
        }
    }

    fn compiled(&self, query: &str, operation: &str) -> Compiled {
        let key = (query.to_owned(), operation.to_owned());
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = plans.get(&key) {
            return Arc::clone(known);
        }
        let compiled = Arc::new(compile(query, operation));
        if plans.len() >= CACHED {
            plans.clear();
        }
        plans.insert(key, Arc::clone(&compiled));
        compiled
    }

    fn run(&self, world: &World, lifted: bool, plan: &Plan, variables: &Variables) -> Answer {
        let requested = costs(&plan.roots, variables);
        if !lifted && requested > MAX_COST {
            return Answer::new(200, too_dear(requested));
        }
        if !lifted && let Err(available) = self.bucket.take(requested) {
            return Answer::new(200, throttle(&self.bucket, requested, available));
        }
        let mut data = String::with_capacity(64 * 1_024);
        let mut warnings = Vec::new();
        let mut failures = Vec::new();
        let mut actual = 0;
        let mut o = Object::new(&mut data);
        for item in plan.roots.iter().filter(|item| item.is_wanted(variables)) {
            let mut renderer = Renderer { world, variables, cost: 0, complaint: None };
            let out = o.key(&item.key);
            match roots::write(&mut renderer, out, item, &mut warnings) {
                Ok(()) => {
                    if let Some(message) = renderer.complaint.take() {
                        failures.push(Failure {
                            message,
                            code: "BAD_REQUEST",
                            place: item.place,
                            path: Some(item.key.clone()),
                        });
                    }
                }
                Err(failure) => {
                    out.push_str("null");
                    failures.push(failure);
                }
            }
            actual += renderer.cost;
        }
        drop(o);
        let actual = actual.min(requested);
        let available =
            if lifted { self.bucket.size() } else { self.bucket.give_back(requested - actual) };
        let mut body = String::with_capacity(data.len() + 512);
        let mut o = Object::new(&mut body);
        if failures.is_empty() {
            o.raw("data", &data);
        } else {
            o.list("errors", &failures, |out, failure| {
                let mut o = Object::new(out);
                o.text("message", &failure.message).list("locations", [failure.place], place);
                o.object("extensions", |o| {
                    o.text("code", failure.code);
                });
                o.list("path", &failure.path, |out, part| json::text(out, part));
            });
            o.null("data");
        }
        o.object("extensions", |o| {
            cost(o, &self.bucket, requested, Some(actual), available);
            if !warnings.is_empty() {
                o.list("search", &warnings, |out, warning| out.push_str(warning));
            }
        });
        drop(o);
        Answer::new(200, body)
    }
}

fn compile(query: &str, operation: &str) -> Result<Plan, Vec<QueryError>> {
    let fail = |message: String, place: Place, code: &str| {
        vec![QueryError {
            message,
            place,
            path: Vec::new(),
            extensions: vec![("code", code.to_owned())],
        }]
    };
    let start = Place { line: 1, column: 1 };
    let document =
        graphql::parse(query).map_err(|error| fail(error.message, error.place, "PARSE_ERROR"))?;
    let mut fitting = document
        .operations
        .iter()
        .filter(|one| operation.is_empty() || one.name.as_deref() == Some(operation));
    let (Some(found), None) = (fitting.next(), fitting.next()) else {
        return Err(fail("An operation name is required".to_owned(), start, "BAD_REQUEST"));
    };
    if found.kind != "query" {
        return Err(fail("The sandbox serves queries only".to_owned(), start, "ACCESS_DENIED"));
    }
    plan::compile(&document, found)
}

/// The declared variables with their values; a refusal in Shopify's words when one does not fit.
fn variables(plan: &Plan, sent: Option<&Json>) -> Result<Variables, String> {
    let empty = Map::new();
    let sent = sent.and_then(Json::as_object).unwrap_or(&empty);
    let mut variables = Map::new();
    for declared in &plan.variables {
        let value = match (sent.get(&declared.name), &declared.default) {
            (Some(value), _) => value.clone(),
            (None, Some(default)) => filled(default, &empty),
            (None, None) => Json::Null,
        };
        let kind = declared.kind.trim_end_matches('!');
        let explanation = if value.is_null() {
            declared.kind.ends_with('!').then(|| "Expected value to not be null".to_owned())
        } else {
            let fits = match kind {
                "Int" => value.is_i64() || value.is_u64(),
                "Boolean" => value.is_boolean(),
                "String" => value.is_string(),
                "ID" => value.is_string() || value.is_u64(),
                kind if kind.starts_with('[') => value.is_array(),
                _ => true,
            };
            (!fits).then(|| format!("Could not coerce value {value} to {kind}"))
        };
        if let Some(explanation) = explanation {
            return Err(invalid_variable(&declared.name, &declared.kind, &value, &explanation));
        }
        variables.insert(declared.name.clone(), value);
    }
    Ok(variables)
}

fn invalid_variable(name: &str, kind: &str, value: &Json, explanation: &str) -> String {
    json::object(|o| {
        o.list("errors", [()], |out, ()| {
            let mut o = Object::new(out);
            o.text(
                "message",
                &format!("Variable ${name} of type {kind} was provided invalid value"),
            );
            o.list("locations", [Place { line: 1, column: 1 }], place).object("extensions", |o| {
                o.text("code", "INVALID_VARIABLE").raw("value", &value.to_string());
                o.list("problems", [()], |out, ()| {
                    Object::new(out).raw("path", "[]").text("explanation", explanation);
                });
            });
        });
    })
}

fn query_errors(errors: &[QueryError]) -> String {
    json::object(|o| {
        o.list("errors", errors, |out, error| {
            let mut o = Object::new(out);
            o.text("message", &error.message).list("locations", [error.place], place);
            o.list("path", &error.path, |out, part| json::text(out, part)).object(
                "extensions",
                |o| {
                    for (name, text) in &error.extensions {
                        o.text(name, text);
                    }
                },
            );
        });
    })
}

fn place(out: &mut String, place: Place) {
    Object::new(out).int("line", place.line).int("column", place.column);
}

fn cost(o: &mut Object<'_>, bucket: &Bucket, requested: u64, actual: Option<u64>, available: u64) {
    o.object("cost", |o| {
        o.int("requestedQueryCost", requested);
        match actual {
            Some(actual) => o.int("actualQueryCost", actual),
            None => o.null("actualQueryCost"),
        };
        o.object("throttleStatus", |o| {
            o.raw("maximumAvailable", &format!("{}.0", bucket.size()))
                .int("currentlyAvailable", available);
            o.raw("restoreRate", &format!("{}.0", bucket.per_second()));
        });
    });
}

fn throttle(bucket: &Bucket, requested: u64, available: u64) -> String {
    json::object(|o| {
        o.list("errors", [()], |out, ()| {
            Object::new(out).text("message", "Throttled").object("extensions", |o| {
                o.text("code", "THROTTLED").text("documentation", LIMITS_PAGE);
            });
        });
        o.object("extensions", |o| cost(o, bucket, requested, None, available));
    })
}

fn too_dear(requested: u64) -> String {
    json::object(|o| {
        o.list("errors", [()], |out, ()| {
            let message = format!("Query cost is {requested}, which exceeds the single query max cost limit ({MAX_COST}).");
            Object::new(out).text("message", &message).object("extensions", |o| {
                o.text("code", "MAX_COST_EXCEEDED").int("cost", requested).int("maxCost", MAX_COST);
                o.text("documentation", LIMITS_PAGE);
            });
        });
    })
}

/// A refusal with status 429, as Shopify's edge gives it.
fn too_many() -> Answer {
    Answer::new(429, r#"{"errors":"Exceeded call limit. Reduce request rates to resume uninterrupted service."}"#.to_owned())
}

/// `THROTTLED` with status 200: a bucket that lacks two seconds of points.
fn throttled() -> Answer {
    Answer::new(200, throttle(&Bucket::new(2_000, 100), 502, 302))
        .header("x-shopify-api-version", VERSION)
}
