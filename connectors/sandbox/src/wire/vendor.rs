//! What a vendor's half of the server is: its name, its answers, and how it says no.
//!
//! A vendor takes part by a line in [`VENDORS`] and one in [`all`], in the same order.

use std::{fmt::Debug, sync::Arc};

use super::{
    klaviyo::Klaviyo,
    meta::Meta,
    printful::Printful,
    printify::Printify,
    request::{Answer, Call},
    shopify::Shopify,
    stripe::Stripe,
};
use crate::World;

/// The vendors behind one port: prefixes of their paths, and their names in fault plans.
pub const VENDORS: &[&str] = &["shopify", "printify", "printful", "stripe", "meta", "klaviyo"];

/// One vendor's half of the server.
pub(super) trait Vendor: Debug + Send + Sync {
    /// Answers a call; `lifted` switches its rate limits off.
    fn answer(&self, world: &World, lifted: bool, call: &Call<'_>) -> Answer;

    /// How it refuses one call too many.
    fn too_many(&self) -> Answer;

    /// What it says when it broke down, with status 500.
    fn broken(&self) -> &'static str;

    /// How it refuses with status 200, if it does.
    fn throttled(&self) -> Option<Answer> {
        None
    }
}

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
