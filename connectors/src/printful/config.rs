//! The `[sources.printful]` section: exactly these fields, unknown ones are refused.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// How to reach one Printful store.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrintfulConfig {
    /// A private token with the scopes `orders/read`, `sync_products/read` and
    /// `product_templates/read`; it carries an expiry date.
    pub token: SecretString,
    /// The store's number, sent as `X-PF-Store-Id`: a token may belong to an account with many.
    pub store_id: u64,
    /// Another server that speaks Printful's wire, for tests.
    pub base_url: Option<Url>,
    /// Whether to keep to Printful's own limits; only a sandbox may lift them.
    #[serde(default = "default_rate_limit")]
    pub rate_limit: bool,
}

fn default_rate_limit() -> bool {
    true
}
