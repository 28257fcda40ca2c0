//! The `[sources.meta]` section: exactly these fields, unknown ones are refused.

use chrono::NaiveDate;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// How to reach one ad account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetaConfig {
    /// The ad account, such as `act_1234`.
    pub account_id: String,
    /// A system user's token with the scope `ads_read`.
    pub token: SecretString,
    /// The first day to read, in the ad account's zone. Meta keeps 37 months.
    pub start_date: NaiveDate,
    /// How many days are read again every night: Meta corrects spend for days, and credits
    /// purchases to an ad for as long as its attribution window is.
    #[serde(default = "default_lookback_days")]
    pub lookback_days: u16,
    /// Another server that speaks Meta's wire, for tests.
    pub base_url: Option<Url>,
    /// Whether to rest when Meta says that little is left; only a sandbox may lift it.
    #[serde(default = "default_rate_limit")]
    pub rate_limit: bool,
}

fn default_lookback_days() -> u16 {
    28
}

fn default_rate_limit() -> bool {
    true
}
