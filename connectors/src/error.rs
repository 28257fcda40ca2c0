//! What can go wrong outside the house, sorted by who can fix it.
//!
//! A message names the vendor, the call and the reason; it never holds a query, a header or a
//! body, since those carry secrets and personal data.

use std::{fmt, time::Duration};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who can fix it, and whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The author of the configuration.
    Config,
    /// The owner of the vendor's account: a token, a scope, a frozen shop.
    Access,
    /// Whoever made the data: an answer that is not what the vendor documents.
    Data,
    /// Nobody; wait. Retries are used up.
    Busy,
    /// Us.
    Bug,
}

/// An error with its kind and, where there is one, a way out.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    /// How long the vendor asked to be left alone, when it did.
    wait: Option<Duration>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, wait: None }
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    pub(crate) fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Busy, message)
    }

    pub(crate) fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Bug, message)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_wait(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }

    /// Who can fix it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// A way out, for people.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// How long the vendor asked to be left alone, when it did.
    pub fn wait(&self) -> Option<Duration> {
        self.wait
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "config",
            Self::Access => "access",
            Self::Data => "data",
            Self::Busy => "busy",
            Self::Bug => "bug",
        })
    }
}
