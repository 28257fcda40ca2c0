//! The `[destinations.klaviyo]` section: exactly these fields, unknown ones are refused.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// How to reach one Klaviyo account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KlaviyoConfig {
    /// A private key (`pk_..`) with the scopes `profiles:read`, `profiles:write` and `lists:write`.
    pub key: SecretString,
    /// A name of your choice for the account; what was acknowledged is remembered under it, so it
    /// must stay when the key is rotated.
    #[serde(default = "default_account")]
    pub account: String,
    /// Another server that speaks Klaviyo's wire, for tests.
    pub base_url: Option<Url>,
    /// Whether to keep to Klaviyo's own limits; only a sandbox may lift them.
    #[serde(default = "default_rate_limit")]
    pub rate_limit: bool,
}

fn default_account() -> String {
    "main".to_owned()
}

fn default_rate_limit() -> bool {
    true
}
