//! The bookmark of a stream that is read whole each night, because its source tells no changes.
//!
//! What did not change is dropped by the runner, so a night that found nothing new writes nothing.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Where such a stream stands; `T` says how far the night under way has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Snapshot<T> {
    /// When the last finished night began, by the run's clock.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub read_at: Option<DateTime<Utc>>,
    /// The night under way.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub night: Option<Night<T>>,
}

/// A night under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Night<T> {
    /// When it began, by the run's clock.
    pub began_at: DateTime<Utc>,
    /// What is still to be read.
    pub left: T,
}

fn none<T>() -> Option<T> {
    None
}

impl<T> Default for Snapshot<T> {
    fn default() -> Self {
        Self { read_at: None, night: None }
    }
}

impl<T> Snapshot<T> {
    /// After a page: with nothing left the night is over.
    pub(crate) fn after(self, began_at: DateTime<Utc>, left: Option<T>) -> Self {
        match left {
            Some(left) => Self { read_at: self.read_at, night: Some(Night { began_at, left }) },
            None => Self { read_at: Some(began_at), night: None },
        }
    }
}
