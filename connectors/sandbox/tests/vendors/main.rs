//! The sandbox's answers against the vendors' own descriptions in `../shared/specs`, over real HTTP.
//!
//! The descriptions lie beside the checkout and are not part of it: where they are missing, a test says so and passes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "helpers of tests, which lie outside of the test functions"
)]

mod faults;
mod klaviyo;
mod plain;
mod schema;
mod shopify;

use std::path::PathBuf;

use sandbox::{FaultPlan, Running, ServeOptions, World, WorldOptions, serve};
use serde_json::Value;

/// A served world of 300 orders.
async fn sandbox(faults: &str, lift_limits: bool) -> Running {
    let world = World::new(WorldOptions { orders: 300, ..WorldOptions::default() });
    let faults: FaultPlan = faults.parse().unwrap();
    serve(world, ServeOptions { faults, lift_limits, ..ServeOptions::default() }).await.unwrap()
}

/// A file of `../shared/specs`, or `None` with a word about it.
fn spec(path: &str) -> Option<Vec<u8>> {
    let full = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/specs").join(path);
    let bytes = fs_err::read(&full).ok();
    if bytes.is_none() {
        println!("skipped: ../shared/specs/{path} is not beside this checkout");
    }
    bytes
}

fn spec_json(path: &str) -> Option<Value> {
    spec(path).map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().user_agent("sandbox-tests").build().unwrap()
}

/// A GET with headers: status and parsed body.
async fn get(url: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = client().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = request.send().await.unwrap();
    let status = reply.status().as_u16();
    (status, serde_json::from_str(&reply.text().await.unwrap()).unwrap())
}
