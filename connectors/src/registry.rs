//! Every source and destination there is, by the name that the config gives it.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Destination, Error, Result, Source, Stream,
    klaviyo::{Klaviyo, KlaviyoConfig},
    meta::{self, Meta, MetaConfig},
    printful::{self, Printful, PrintfulConfig},
    printify::{self, Printify, PrintifyConfig},
    shopify::{self, Shopify, ShopifyConfig},
    stripe::{self, Stripe, StripeConfig},
};

/// The sources, in the order of their names.
pub fn source_names() -> &'static [&'static str] {
    &["meta", "printful", "printify", "shopify", "stripe"]
}

/// The destinations, in the order of their names.
pub fn destination_names() -> &'static [&'static str] {
    &["klaviyo"]
}

/// A source's streams, without any config.
pub fn streams_of(source: &str) -> Option<&'static [Stream]> {
    match source {
        "meta" => Some(meta::STREAMS),
        "printful" => Some(printful::STREAMS),
        "printify" => Some(printify::STREAMS),
        "shopify" => Some(shopify::STREAMS),
        "stripe" => Some(stripe::STREAMS),
        _ => None,
    }
}

/// A source by its name and the fields of its config section, secrets filled in.
///
/// # Errors
/// A config error that names the field.
pub fn source(name: &str, config: Value) -> Result<Arc<dyn Source>> {
    Ok(match name {
        "meta" => Arc::new(Meta::new(fields::<MetaConfig>(name, config)?)?),
        "printful" => Arc::new(Printful::new(fields::<PrintfulConfig>(name, config)?)?),
        "printify" => Arc::new(Printify::new(fields::<PrintifyConfig>(name, config)?)?),
        "shopify" => Arc::new(Shopify::new(fields::<ShopifyConfig>(name, config)?)?),
        "stripe" => Arc::new(Stripe::new(fields::<StripeConfig>(name, config)?)?),
        _ => return Err(unknown("source", name, source_names())),
    })
}

/// A destination likewise.
///
/// # Errors
/// A config error that names the field.
pub fn destination(name: &str, config: Value) -> Result<Arc<dyn Destination>> {
    Ok(match name {
        "klaviyo" => Arc::new(Klaviyo::new(fields::<KlaviyoConfig>(name, config)?)?),
        _ => return Err(unknown("destination", name, destination_names())),
    })
}

fn fields<T: DeserializeOwned>(name: &str, config: Value) -> Result<T> {
    serde_json::from_value(config).map_err(|error| Error::config(format!("`{name}`: {error}")))
}

fn unknown(what: &str, name: &str, known: &[&str]) -> Error {
    Error::config(format!("there is no {what} `{name}`"))
        .with_hint(format!("known are: {}", known.join(", ")))
}
