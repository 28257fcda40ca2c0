//! The `[sources.shopify]` section: exactly these fields, unknown ones are refused.

use chrono::NaiveDate;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// How to reach one shop.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShopifyConfig {
    /// The shop's own domain, such as `acme.myshopify.com`.
    pub shop: String,
    /// An Admin API token (`shpat_..`) with the scopes `read_orders`, `read_all_orders`,
    /// `read_products`, `read_inventory`, `read_customers` and `read_fulfillments`.
    pub token: SecretString,
    /// The first night starts with what changed on this day (UTC); without it, with the first
    /// record of the shop.
    pub start_date: Option<NaiveDate>,
    /// Another server that speaks Shopify's wire, for tests.
    pub base_url: Option<Url>,
    /// Whether a query keeps to Shopify's 1000 points; only a sandbox may lift them. There is no
    /// clock of ours to lift: how long to wait is told by Shopify's own answers.
    #[serde(default = "default_rate_limit")]
    pub rate_limit: bool,
}

fn default_rate_limit() -> bool {
    true
}
