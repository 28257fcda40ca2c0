//! The `[sources.printify]` section: exactly these fields, unknown ones are refused.

use chrono::NaiveDate;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// How to reach one Printify account, all its shops.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrintifyConfig {
    /// A personal access token with the scopes `shops.read`, `orders.read`, `products.read` and
    /// `catalog.read`; Printify lets it expire after a year.
    pub token: SecretString,
    /// Orders created before this day (UTC) are not read; without it, all are.
    pub start_date: Option<NaiveDate>,
    /// Another server that speaks Printify's wire, for tests.
    pub base_url: Option<Url>,
    /// Whether to keep to Printify's own limits; only a sandbox may lift them.
    #[serde(default = "default_rate_limit")]
    pub rate_limit: bool,
}

fn default_rate_limit() -> bool {
    true
}
