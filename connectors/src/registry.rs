//! Every source and destination there is, by the name that the config gives it.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Destination, Error, Result, Source, Stream,
    klaviyo::{Klaviyo, KlaviyoConfig},
    meta::{self, Meta},
    printful::{self, Printful},
    printify::{self, Printify},
    shopify::{self, Shopify},
    stripe::{self, Stripe},
};

/// A source as the registry knows it.
#[derive(Debug)]
struct Entry {
    name: &'static str,
    streams: &'static [Stream],
    make: fn(Value) -> Result<Arc<dyn Source>>,
}

/// The sources, in the order of their names.
static SOURCES: &[Entry] = &[
    Entry { name: "meta", streams: meta::STREAMS, make: |c| made("meta", c, Meta::new) },
    Entry {
        name: "printful",
        streams: printful::STREAMS,
        make: |c| made("printful", c, Printful::new),
    },
    Entry {
        name: "printify",
        streams: printify::STREAMS,
        make: |c| made("printify", c, Printify::new),
    },
    Entry {
        name: "shopify",
        streams: shopify::STREAMS,
        make: |c| made("shopify", c, Shopify::new),
    },
    Entry { name: "stripe", streams: stripe::STREAMS, make: |c| made("stripe", c, Stripe::new) },
];

fn made<C: DeserializeOwned, S: Source + 'static>(
    name: &str,
    config: Value,
    new: fn(C) -> Result<S>,
) -> Result<Arc<dyn Source>> {
    Ok(Arc::new(new(fields(name, config)?)?))
}

/// The names of the sources, in order.
pub fn source_names() -> Vec<&'static str> {
    SOURCES.iter().map(|entry| entry.name).collect()
}

/// The names of the destinations, in order.
pub fn destination_names() -> Vec<&'static str> {
    vec!["klaviyo"]
}

/// A source's streams, without any config.
pub fn streams_of(source: &str) -> Option<&'static [Stream]> {
    SOURCES.iter().find(|entry| entry.name == source).map(|entry| entry.streams)
}

/// A source by its name and the fields of its config section, secrets filled in.
///
/// # Errors
/// A config error that names the field.
pub fn source(name: &str, config: Value) -> Result<Arc<dyn Source>> {
    match SOURCES.iter().find(|entry| entry.name == name) {
        Some(entry) => (entry.make)(config),
        None => Err(unknown("source", name, &source_names())),
    }
}

/// A destination likewise.
///
/// # Errors
/// A config error that names the field.
pub fn destination(name: &str, config: Value) -> Result<Arc<dyn Destination>> {
    Ok(match name {
        "klaviyo" => Arc::new(Klaviyo::new(fields::<KlaviyoConfig>(name, config)?)?),
        _ => return Err(unknown("destination", name, &destination_names())),
    })
}

fn fields<T: DeserializeOwned>(name: &str, config: Value) -> Result<T> {
    serde_json::from_value(config).map_err(|error| Error::config(format!("`{name}`: {error}")))
}

fn unknown(what: &str, name: &str, known: &[&str]) -> Error {
    Error::config(format!("there is no {what} `{name}`"))
        .with_hint(format!("known are: {}", known.join(", ")))
}
