//! What went wrong, as one thing to print: what failed, why, what was kept, what to do.
//!
//! Every error of the libraries ends here; its kind decides whether it is tried again and which
//! code the process ends with.

use std::fmt;

/// Who can fix it, which is also whether trying again helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The author of a file or of the command line; nothing ran.
    Config,
    /// The owner of an account, a disk or a bucket.
    Access,
    /// The author of a source or of a model.
    Data,
    /// Nobody: wait.
    Busy,
    /// Us.
    Bug,
    /// A signal or a closing time stopped it.
    Interrupted,
}

impl Kind {
    /// The code that the process ends with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Config => 2,
            Self::Access | Self::Data | Self::Bug => 1,
            Self::Busy => 75,
            Self::Interrupted => 130,
        }
    }

    /// The name in machine-readable output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Access => "access",
            Self::Data => "data",
            Self::Busy => "busy",
            Self::Bug => "bug",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One failure, ready to be printed. A pointer, since it travels in every result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    kept: Option<String>,
    hint: Option<String>,
    excerpt: Option<String>,
    /// Further failures of the same kind of thing, each printed as an error of its own.
    more: Vec<Failure>,
}

impl Failure {
    /// A failure with nothing but its headline: a lowercase phrase, names in backticks.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            message: message.into(),
            causes: Vec::new(),
            kept: None,
            hint: None,
            excerpt: None,
            more: Vec::new(),
        }))
    }

    /// A mistake in a file or on the command line.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    /// Adds why.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.0.causes.push(cause.into());
        self
    }

    /// Adds what was kept.
    #[must_use]
    pub fn with_kept(mut self, kept: impl Into<String>) -> Self {
        self.0.kept = Some(kept.into());
        self
    }

    /// Adds what to do; the first hint stays.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Adds the lines of the file with a caret.
    #[must_use]
    pub fn with_excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.0.excerpt = Some(excerpt.into());
        self
    }

    /// Adds failures that stand beside this one.
    #[must_use]
    pub fn with_more(mut self, more: impl IntoIterator<Item = Self>) -> Self {
        self.0.more.extend(more);
        self
    }

    /// Puts a new headline above; the old one becomes the first cause.
    #[must_use]
    pub fn under(mut self, headline: impl Into<String>) -> Self {
        let old = std::mem::replace(&mut self.0.message, headline.into());
        self.0.causes.insert(0, old);
        self
    }

    /// Who can fix it.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Why, from near to far.
    pub fn causes(&self) -> &[String] {
        &self.0.causes
    }

    /// Headline and causes on one line, for tables and logs.
    pub fn one_line(&self) -> String {
        std::iter::once(self.0.message.as_str())
            .chain(self.0.causes.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(": ")
    }

    /// What was kept.
    pub fn kept(&self) -> Option<&str> {
        self.0.kept.as_deref()
    }

    /// What to do.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The lines of the file.
    pub fn excerpt(&self) -> Option<&str> {
        self.0.excerpt.as_deref()
    }

    /// Failures beside this one.
    pub fn more(&self) -> &[Self] {
        &self.0.more
    }

    /// Makes one of any error: a `Failure` in the chain is kept, with the context above it as new
    /// headlines; else kind and hint come from the first library error in the chain.
    pub fn of(error: &anyhow::Error) -> Self {
        let chain: Vec<&(dyn std::error::Error + 'static)> = error.chain().collect();
        let found = chain.iter().position(|e| e.downcast_ref::<Self>().is_some());
        if let Some((at, failure)) =
            found.and_then(|at| Some((at, chain.get(at)?.downcast_ref::<Self>()?)))
        {
            let above = chain.iter().take(at).rev();
            return above
                .fold(failure.clone(), |failure, context| failure.under(context.to_string()));
        }
        let mut texts: Vec<String> = Vec::new();
        let mut kind = None;
        let mut hint = None;
        for error in &chain {
            let text = error.to_string();
            // Some libraries show their cause and return it too.
            if !texts.iter().any(|known| known.contains(&text)) {
                texts.push(text);
            }
            if let Some(error) = error.downcast_ref::<connectors::Error>() {
                kind.get_or_insert(of_connectors(error.kind()));
                hint = hint.or_else(|| error.hint().map(str::to_owned));
            } else if let Some(error) = error.downcast_ref::<warehouse::Error>() {
                kind.get_or_insert(of_warehouse(error.kind()));
                hint = hint.or_else(|| error.hint());
            } else if let Some(error) = error.downcast_ref::<std::io::Error>() {
                kind.get_or_insert(Kind::Access);
                hint = hint.or_else(|| of_io(error.kind()));
            }
        }
        let mut texts = texts.into_iter();
        let mut failure = Self::new(kind.unwrap_or(Kind::Bug), texts.next().unwrap_or_default());
        failure.0.causes = texts.collect();
        failure.0.hint = hint;
        failure
    }
}

fn of_connectors(kind: connectors::ErrorKind) -> Kind {
    match kind {
        connectors::ErrorKind::Config => Kind::Config,
        connectors::ErrorKind::Access => Kind::Access,
        connectors::ErrorKind::Data => Kind::Data,
        connectors::ErrorKind::Busy => Kind::Busy,
        _ => Kind::Bug,
    }
}

fn of_warehouse(kind: warehouse::ErrorKind) -> Kind {
    match kind {
        warehouse::ErrorKind::Config => Kind::Config,
        warehouse::ErrorKind::Access => Kind::Access,
        warehouse::ErrorKind::Data => Kind::Data,
        warehouse::ErrorKind::Busy => Kind::Busy,
        warehouse::ErrorKind::Bug => Kind::Bug,
    }
}

fn of_io(kind: std::io::ErrorKind) -> Option<String> {
    use std::io::ErrorKind as Io;
    Some(
        match kind {
            Io::StorageFull | Io::QuotaExceeded => {
                "the disk is full; free some space and run again"
            }
            Io::PermissionDenied | Io::ReadOnlyFilesystem => {
                "this user may not write or read there"
            }
            Io::AddrInUse => "another program listens there; choose another port",
            _ => return None,
        }
        .to_owned(),
    )
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Failure {}

impl From<connectors::Error> for Failure {
    fn from(error: connectors::Error) -> Self {
        Self::of(&anyhow::Error::new(error))
    }
}

impl From<warehouse::Error> for Failure {
    fn from(error: warehouse::Error) -> Self {
        Self::of(&anyhow::Error::new(error))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn context_above_a_failure_becomes_the_headline() {
        let failure = Failure::new(Kind::Busy, "the vendor is busy").with_hint("wait");
        let error = Err::<(), _>(failure).context("job `nightly` stopped").unwrap_err();
        let failure = Failure::of(&error);
        assert_eq!(failure.to_string(), "job `nightly` stopped");
        assert_eq!(failure.causes(), ["the vendor is busy"]);
        assert_eq!((failure.kind().exit_code(), failure.hint()), (75, Some("wait")));
    }

    #[test]
    fn a_full_disk_is_an_access_error_with_a_hint() {
        let error = anyhow::Error::new(std::io::Error::from(std::io::ErrorKind::StorageFull));
        let failure = Failure::of(&error.context("writing `x`"));
        assert_eq!(failure.kind(), Kind::Access);
        assert!(failure.hint().unwrap().contains("disk is full"));
    }

    #[test]
    fn every_kind_has_its_exit_code() {
        let codes =
            [Kind::Config, Kind::Access, Kind::Data, Kind::Bug, Kind::Busy, Kind::Interrupted]
                .map(Kind::exit_code);
        assert_eq!(codes, [2, 1, 1, 1, 75, 130]);
    }
}
