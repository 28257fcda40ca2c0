//! The declared shape of what is read from Stripe: names as Stripe spells them.
//!
//! What a charge tells about the card and its holder is known and left out: nothing here needs it.

use crate::{
    kit::record::{Field, Kind, Record},
    source::Stream,
};

/// Every stream of an account.
pub(crate) static ALL: &[Stream] = &[
    Stream {
        name: "balance_transactions",
        key: &["id"],
        record: &BALANCE_TRANSACTION,
        context: &[],
    },
    Stream { name: "charges", key: &["id"], record: &CHARGE, context: &[] },
    Stream { name: "refunds", key: &["id"], record: &REFUND, context: &[] },
];

static BALANCE_TRANSACTION: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("object", Kind::Text),
        Field::new("amount", Kind::Integer),
        Field::new("available_on", Kind::EpochSeconds),
        Field::new("balance_type", Kind::Text),
        Field::new("created", Kind::EpochSeconds).required(),
        Field::new("currency", Kind::Text),
        Field::new("description", Kind::Text),
        Field::new("exchange_rate", Kind::Rate),
        Field::new("fee", Kind::Integer),
        Field::new("fee_details", Kind::List(&Kind::Struct(&FEE_DETAIL))),
        Field::new("net", Kind::Integer),
        Field::new("reporting_category", Kind::Text),
        Field::new("source", Kind::Text),
        Field::new("status", Kind::Text),
        Field::new("type", Kind::Text),
    ],
};

static FEE_DETAIL: Record = Record {
    fields: &[
        Field::new("amount", Kind::Integer),
        Field::new("application", Kind::Text),
        Field::new("currency", Kind::Text),
        Field::new("description", Kind::Text),
        Field::new("type", Kind::Text),
    ],
};

static CHARGE: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("object", Kind::Text),
        Field::new("amount", Kind::Integer),
        Field::new("amount_captured", Kind::Integer),
        Field::new("amount_refunded", Kind::Integer),
        Field::new("balance_transaction", Kind::Text),
        Field::new("created", Kind::EpochSeconds).required(),
        Field::new("currency", Kind::Text),
        Field::new("customer", Kind::Text),
        Field::new("description", Kind::Text),
        Field::new("disputed", Kind::Boolean),
        Field::new("metadata", Kind::Json),
        Field::new("paid", Kind::Boolean),
        Field::new("payment_intent", Kind::Text),
        Field::new("refunded", Kind::Boolean),
        Field::new("status", Kind::Text),
        // Personal: who paid, with what, and where it was sent.
        Field::new("billing_details", Kind::Ignored),
        Field::new("payment_method", Kind::Ignored),
        Field::new("payment_method_details", Kind::Ignored),
        Field::new("receipt_email", Kind::Ignored),
        Field::new("receipt_number", Kind::Ignored),
        Field::new("receipt_url", Kind::Ignored),
        Field::new("shipping", Kind::Ignored),
        Field::new("source", Kind::Ignored),
        // Of no use to costs.
        Field::new("application", Kind::Ignored),
        Field::new("application_fee", Kind::Ignored),
        Field::new("application_fee_amount", Kind::Ignored),
        Field::new("authorization_code", Kind::Ignored),
        Field::new("calculated_statement_descriptor", Kind::Ignored),
        Field::new("captured", Kind::Ignored),
        Field::new("failure_balance_transaction", Kind::Ignored),
        Field::new("failure_code", Kind::Ignored),
        Field::new("failure_message", Kind::Ignored),
        Field::new("fraud_details", Kind::Ignored),
        Field::new("level3", Kind::Ignored),
        Field::new("livemode", Kind::Ignored),
        Field::new("on_behalf_of", Kind::Ignored),
        Field::new("outcome", Kind::Ignored),
        Field::new("presentment_details", Kind::Ignored),
        Field::new("radar_options", Kind::Ignored),
        Field::new("refunds", Kind::Ignored),
        Field::new("review", Kind::Ignored),
        Field::new("source_transfer", Kind::Ignored),
        Field::new("statement_descriptor", Kind::Ignored),
        Field::new("statement_descriptor_suffix", Kind::Ignored),
        Field::new("transfer", Kind::Ignored),
        Field::new("transfer_data", Kind::Ignored),
        Field::new("transfer_group", Kind::Ignored),
    ],
};

static REFUND: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("object", Kind::Text),
        Field::new("amount", Kind::Integer),
        Field::new("balance_transaction", Kind::Text),
        Field::new("charge", Kind::Text),
        Field::new("created", Kind::EpochSeconds).required(),
        Field::new("currency", Kind::Text),
        Field::new("metadata", Kind::Json),
        Field::new("payment_intent", Kind::Text),
        Field::new("reason", Kind::Text),
        Field::new("status", Kind::Text),
        // Personal: how the money went back, and whom Stripe told.
        Field::new("customer", Kind::Ignored),
        Field::new("customer_account", Kind::Ignored),
        Field::new("destination_details", Kind::Ignored),
        Field::new("instructions_email", Kind::Ignored),
        Field::new("next_action", Kind::Ignored),
        Field::new("payment_method", Kind::Ignored),
        // Of no use to costs.
        Field::new("description", Kind::Ignored),
        Field::new("failure_balance_transaction", Kind::Ignored),
        Field::new("failure_reason", Kind::Ignored),
        Field::new("pending_reason", Kind::Ignored),
        Field::new("presentment_details", Kind::Ignored),
        Field::new("receipt_number", Kind::Ignored),
        Field::new("source_transfer_reversal", Kind::Ignored),
        Field::new("transfer_reversal", Kind::Ignored),
    ],
};
