//! The declared shape of what is read from Meta: names as Meta spells them.
//!
//! Meta writes every number as a string; `spend` is in the account's major unit.

use crate::{
    kit::record::{Field, Kind, Record},
    source::Stream,
};

/// Every stream of an ad account.
pub(crate) static ALL: &[Stream] = &[
    Stream { name: "ad_accounts", key: &["id"], record: &AD_ACCOUNT, context: &[] },
    Stream {
        name: "insights_daily",
        key: &["account_id", "date_start"],
        record: &DAY,
        context: &[],
    },
];

/// One ad on one day, as Meta answers it; judged by itself before it joins its day.
pub(super) static INSIGHTS: Stream =
    Stream { name: "insights", key: &["ad_id", "date_start"], record: &INSIGHT, context: &[] };

static AD_ACCOUNT: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("account_id", Kind::Text),
        Field::new("name", Kind::Text),
        Field::new("currency", Kind::Text),
        Field::new("timezone_name", Kind::Text),
    ],
};

static DAY: Record = Record {
    fields: &[
        Field::new("account_id", Kind::Id).required(),
        Field::new("date_start", Kind::Date).required(),
        Field::new("data", Kind::List(&Kind::Struct(&INSIGHT))),
    ],
};

pub(super) static INSIGHT: Record = Record {
    fields: &[
        Field::new("campaign_id", Kind::Id),
        Field::new("campaign_name", Kind::Text),
        Field::new("adset_id", Kind::Id),
        Field::new("adset_name", Kind::Text),
        Field::new("ad_id", Kind::Id).required(),
        Field::new("ad_name", Kind::Text),
        Field::new("account_currency", Kind::Text),
        Field::new("date_start", Kind::Date).required(),
        Field::new("date_stop", Kind::Date),
        Field::new("impressions", Kind::Integer),
        Field::new("reach", Kind::Integer),
        Field::new("clicks", Kind::Integer),
        Field::new("inline_link_clicks", Kind::Integer),
        Field::new("spend", Kind::Decimal),
        Field::new("actions", Kind::Json),
        Field::new("action_values", Kind::Json),
        // The day's own record says it once.
        Field::new("account_id", Kind::Ignored),
    ],
};
