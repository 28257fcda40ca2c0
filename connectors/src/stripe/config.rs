//! The `[sources.stripe]` section: exactly these fields, unknown ones are refused.

use chrono::NaiveDate;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// How to reach one Stripe account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripeConfig {
    /// A restricted key (`rk_..`) that may read balance transactions, charges and refunds.
    pub key: SecretString,
    /// Things created before this day (UTC) are not read; without it, everything is.
    pub start_date: Option<NaiveDate>,
    /// Another server that speaks Stripe's wire, for tests.
    pub base_url: Option<Url>,
    /// Whether to keep to Stripe's own limits; only a sandbox may lift them.
    #[serde(default = "default_rate_limit")]
    pub rate_limit: bool,
}

fn default_rate_limit() -> bool {
    true
}
