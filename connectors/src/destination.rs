//! What a destination is: a place that takes rows of an export model and says what it took.
//!
//! The one hard fact: a `202 Accepted` is not a delivery. A destination hands back a job, the
//! runner writes that job down before it waits, and only [`Destination::outcome`] may say which
//! rows arrived. The runner owns the loop (diff, batches, state); a destination only speaks the
//! vendor's wire and holds no state between calls.

use std::{collections::HashSet, fmt::Debug};

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;

use crate::Result;

/// What one call may carry at most; a batch is closed by whichever is reached first.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Rows in one call.
    pub rows: usize,
    /// Bytes of all payloads of one call, envelope left out.
    pub bytes: usize,
    /// Bytes of one row's payload.
    pub row_bytes: usize,
}

/// One row of an export model, turned into what the vendor is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// To be delivered if it differs from what was acknowledged last.
    Row(Delivery),
    /// Must not be sent, and why: no consent, or not a row this vendor can take.
    Held {
        /// The identifier of the row, empty when it has none.
        identifier: String,
        /// Why it was held back.
        reason: Hold,
    },
}

/// Why a row was held back before any call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hold {
    /// The person did not subscribe.
    NoConsent,
    /// The vendor lists the person as suppressed.
    Suppressed,
    /// The identifier is missing or malformed.
    InvalidIdentifier,
    /// Another row of the same export has the same identifier; the first one is kept.
    Duplicate,
    /// The payload is larger than the vendor takes.
    TooLarge,
}

impl Hold {
    /// The name under which it is counted and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoConsent => "no_consent",
            Self::Suppressed => "suppressed",
            Self::InvalidIdentifier => "invalid_identifier",
            Self::Duplicate => "duplicate",
            Self::TooLarge => "too_large",
        }
    }
}

/// A row ready to go: who it is about and the JSON object that is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The vendor's identifier (for Klaviyo the e-mail address, lowercased). Personal data: it is
    /// hashed before it is stored and never printed.
    pub identifier: String,
    /// The row's JSON object, exactly as it goes into the batch.
    pub payload: String,
}

/// Shows sizes only: both fields are personal data.
impl Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// The answer to one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// The vendor took the batch and works on it under this job id.
    Accepted {
        /// Asked for with [`Destination::outcome`].
        job_id: String,
    },
    /// The vendor refused the whole batch. Rows that it named are listed by their position; when
    /// it named none, the runner halves the batch to find them.
    Refused {
        /// The rows at fault, by position in the batch.
        rows: Vec<(usize, Rejection)>,
        /// What the vendor said of the batch.
        rejection: Rejection,
    },
}

/// Why the vendor did not take a row, in its own words, with personal data left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The vendor's error code.
    pub code: String,
    /// The vendor's explanation.
    pub detail: String,
}

/// How an accepted batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Still being worked on: ask again.
    Running,
    /// Done: every row of the batch arrived, save those listed by identifier.
    Done {
        /// (identifier, why) of the rows that did not arrive.
        rejected: Vec<(String, Rejection)>,
        /// Failures that the vendor counted but did not tie to a row.
        unnamed: u64,
    },
    /// The vendor gave the batch up or no longer knows the job; nothing may be taken as delivered.
    Lost {
        /// What the vendor said.
        reason: String,
    },
}

/// A vendor that takes rows.
#[async_trait]
pub trait Destination: Send + Sync + Debug {
    /// The vendor's name, as in `destination = "klaviyo"`.
    fn name(&self) -> &'static str;

    /// The account written to: state is kept per account, so a second shop starts afresh.
    fn account(&self) -> &str;

    /// What one call may carry.
    fn limits(&self) -> BatchLimits;

    /// The cheapest call that needs a valid key; returns what answered.
    async fn check(&self) -> Result<String>;

    /// Turns rows of the export model into payloads, one [`Mapped`] a row, in order. Pure: equal
    /// rows give equal bytes, since the runner sends a row again when its payload differs.
    ///
    /// # Errors
    /// A config error when the model lacks a column that the destination needs.
    fn map(&self, rows: &RecordBatch) -> Result<Vec<Mapped>>;

    /// Everybody the vendor itself says must not be written to, by identifier.
    async fn suppressed(&self) -> Result<HashSet<String>>;

    /// Sends one batch. Safe to repeat: the vendor upserts by identifier.
    async fn submit(&self, batch: &[Delivery]) -> Result<Submission>;

    /// Asks once how a batch went.
    async fn outcome(&self, job_id: &str) -> Result<Outcome>;
}
