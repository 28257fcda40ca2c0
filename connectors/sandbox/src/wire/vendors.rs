//! Who is behind the port: every vendor's half of the server, by its place in [`VENDORS`].

use std::sync::Arc;

#[cfg(doc)]
use super::faults::VENDORS;
use super::{
    klaviyo::Klaviyo, meta::Meta, printful::Printful, printify::Printify, request::Vendor,
    shopify::Shopify, stripe::Stripe,
};

/// All of them, in the order of [`VENDORS`]. Klaviyo is shared, since tests ask what it was sent.
pub(super) fn all(klaviyo: &Arc<Klaviyo>) -> Vec<Arc<dyn Vendor>> {
    vec![
        Arc::new(Shopify::default()),
        Arc::new(Printify::default()),
        Arc::new(Printful::default()),
        Arc::new(Stripe::default()),
        Arc::new(Meta::default()),
        Arc::clone(klaviyo) as Arc<dyn Vendor>,
    ]
}
