//! What can go wrong in the warehouse, and who can do something about it.
//!
//! `Display` never repeats the cause: a variant with a `source` leaves it to the caller's chain.

use std::error::Error as StdError;
use std::io;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use deltalake::DeltaTableError;

use crate::model::Finding;

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who has to act on an error; the runner picks exit code and retries by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The author of a configuration file.
    Config,
    /// The owner of the account, disk or bucket.
    Access,
    /// The author of the source or the model.
    Data,
    /// Nobody; try again later.
    Busy,
    /// We.
    Bug,
}

/// Any failure of the warehouse.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The root address or a storage option cannot be used.
    #[error("storage root `{root}` cannot be used: {reason}")]
    Root {
        /// The address as configured; it holds no secret.
        root: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An object could not be read or written.
    #[error("storage failed while {doing}")]
    Storage {
        /// What was being done, with the path.
        doing: String,
        /// The store's own error.
        #[source]
        source: object_store::Error,
    },
    /// The log of a table could not be read or written.
    #[error("table `{table}` failed while {doing}")]
    Table {
        /// The table's name.
        table: String,
        /// What was being done.
        doing: &'static str,
        /// Delta's own error.
        #[source]
        source: Box<DeltaTableError>,
    },
    /// A query or a write through the engine failed.
    #[error("the query engine failed while {doing}")]
    Engine {
        /// What was being done.
        doing: String,
        /// The engine's own error.
        #[source]
        source: Box<DataFusionError>,
    },
    /// A column cannot be stored, or does not fit the table it is meant for.
    #[error("column `{column}` does not fit `{table}`: {reason}")]
    Column {
        /// The table's name.
        table: String,
        /// The column's path.
        column: String,
        /// Why not.
        reason: String,
    },
    /// The table, or that version of it, does not exist.
    #[error("table `{table}` does not exist{}", version.map_or_else(String::new, |v| format!(" at version {v}")))]
    Missing {
        /// The table's name.
        table: String,
        /// The version asked for, if one was.
        version: Option<i64>,
    },
    /// A name is no table name.
    #[error("`{0}` is no table name")]
    Name(String),
    /// A name is no name for an environment.
    #[error("`{0}` is no name for an environment")]
    EnvironmentName(String),
    /// There is no such environment, or nothing was built in it.
    #[error("nothing was built in environment `{environment}` yet")]
    NoRelease {
        /// Its name.
        environment: String,
    },
    /// There is no such release.
    #[error("environment `{environment}` has no release {number}")]
    UnknownRelease {
        /// Its name.
        environment: String,
        /// The number asked for.
        number: u64,
    },
    /// A release names what is no longer there.
    #[error("release {number} of `{environment}` is no longer whole: {}", .missing.join("; "))]
    Incomplete {
        /// Its environment.
        environment: String,
        /// Its number.
        number: u64,
        /// One phrase a table.
        missing: Vec<String>,
    },
    /// What an environment holds was computed from something else than `prod` has now.
    #[error("environment `{environment}` does not fit `prod` any more: {}", .reasons.join("; "))]
    Outdated {
        /// Its name.
        environment: String,
        /// One phrase a model.
        reasons: Vec<String>,
    },
    /// What is asked for makes no sense for `prod`.
    #[error("`prod` cannot be {0}")]
    IsProd(&'static str),
    /// Another writer changed the table first; nothing of this write is visible.
    #[error("another run wrote `{table}` at the same time; nothing of this write was kept")]
    Race {
        /// The table's name.
        table: String,
    },
    /// Another build published first; nothing of this release is visible.
    #[error("release {number} was published by another build; this one was not")]
    ReleaseRace {
        /// The number both wanted.
        number: u64,
    },
    /// The files of a project are wrong; all of it at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Findings(Vec<Finding>),
    /// A query does not plan, or does not only read.
    #[error("line {line}, column {column}: {message}")]
    Query {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// A selection names a model that is not in the project.
    #[error("no model is called `{name}`")]
    UnknownModel {
        /// The name as given.
        name: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// A table has no column of that name.
    #[error("`{table}` has no column `{column}`")]
    UnknownColumn {
        /// The table's name.
        table: String,
        /// The column as given, with the way into it.
        column: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// A backfill cannot begin or go on.
    #[error("{what}")]
    Backfill {
        /// Why not.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A selection by pattern, tag or path that no model fits.
    #[error("no model fits `{pattern}`")]
    NothingSelected {
        /// The part of the selection, as given.
        pattern: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// A model has no table in the release that is read.
    #[error("model `{model}` is not built yet")]
    NotBuilt {
        /// Its name.
        model: String,
    },
    /// A file of model tests is wrong.
    #[error("{path}:{line}: {message}")]
    TestFile {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// An object of ours does not read back.
    #[error("object `{path}` is damaged: {reason}")]
    Damaged {
        /// Its path below the root.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Root { .. }
            | Self::Name(_)
            | Self::EnvironmentName(_)
            | Self::UnknownRelease { .. }
            | Self::NoRelease { .. }
            | Self::IsProd(_)
            | Self::Findings(_)
            | Self::Query { .. }
            | Self::UnknownModel { .. }
            | Self::UnknownColumn { .. }
            | Self::Backfill { .. }
            | Self::NothingSelected { .. }
            | Self::TestFile { .. } => ErrorKind::Config,
            Self::Storage { .. } => self.cause().map_or(ErrorKind::Busy, Cause::kind),
            Self::Table { .. } => self.cause().map_or(ErrorKind::Bug, Cause::kind),
            Self::Engine { .. } => self.cause().map_or(ErrorKind::Data, Cause::kind),
            Self::Column { .. }
            | Self::Incomplete { .. }
            | Self::Outdated { .. }
            | Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::NotBuilt { .. } => ErrorKind::Data,
            Self::Race { .. } | Self::ReleaseRace { .. } => ErrorKind::Busy,
        }
    }

    /// What the reader may do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Race { .. } | Self::ReleaseRace { .. } => {
                return Some("run it again when the other run has ended".to_owned());
            }
            Self::Missing { .. } => return Some("build or extract it first".to_owned()),
            Self::EnvironmentName(_) => {
                return Some("lower-case letters, digits and `_`, a letter first".to_owned());
            }
            Self::UnknownRelease { .. } => {
                return Some("`inkhouse releases` lists what there is".to_owned());
            }
            Self::NoRelease { environment } if environment == "prod" => {
                return Some("`inkhouse build` makes the first release".to_owned());
            }
            Self::NoRelease { environment } => {
                return Some(format!("`inkhouse build --env {environment}` makes it"));
            }
            Self::Incomplete { .. } => {
                return Some("`inkhouse releases` lists the others".to_owned());
            }
            Self::Outdated { environment, .. } => {
                return Some(format!("`inkhouse build --env {environment}`, then promote again"));
            }
            Self::IsProd(_) => {
                return Some("`inkhouse environments` lists the others".to_owned());
            }
            Self::Backfill { hint, .. } => return Some(hint.clone()),
            Self::NotBuilt { model } => return Some(format!("build `+{model}` first")),
            Self::Query { hint, .. }
            | Self::UnknownModel { hint, .. }
            | Self::UnknownColumn { hint, .. }
            | Self::NothingSelected { hint, .. } => return hint.clone(),
            Self::Findings(findings) => {
                return findings.iter().find_map(|finding| finding.hint.clone());
            }
            _ => {}
        }
        self.cause().map(|cause| cause.hint().to_owned())
    }

    fn cause(&self) -> Option<Cause> {
        match self {
            Self::Storage { source, .. } => Cause::of(source),
            Self::Table { source, .. } => Cause::of(source.as_ref()),
            Self::Engine { source, .. } => Cause::of(source.as_ref()),
            _ => None,
        }
    }

    pub(crate) fn engine(doing: impl Into<String>) -> impl FnOnce(DataFusionError) -> Self {
        let doing = doing.into();
        move |source| Self::Engine { doing, source: Box::new(source) }
    }

    pub(crate) fn arrow(doing: impl Into<String>) -> impl FnOnce(ArrowError) -> Self {
        let doing = doing.into();
        move |source| Self::Engine { doing, source: Box::new(source.into()) }
    }

    pub(crate) fn storage(doing: impl Into<String>) -> impl FnOnce(object_store::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Storage { doing, source }
    }
}

/// Walks a chain of causes until `find` finds something.
///
/// An `io::Error` that wraps another error leaves it out of its chain, hence the detour.
fn search<T>(
    first: &(dyn StdError + 'static),
    find: &dyn Fn(&(dyn StdError + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = Some(first);
    while let Some(error) = next {
        if let Some(found) = find(error) {
            return Some(found);
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            return search(inner, find);
        }
        next = error.source();
    }
    None
}

/// What the machine or the server said, where it says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Full,
    Locked,
    Refused,
    Gone,
    Silent,
}

impl Cause {
    fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        // The operating system's word counts more than the store's, which wraps it as `Generic`.
        search(error, &|error| Self::of_io(error.downcast_ref()?))
            .or_else(|| search(error, &Self::of_server))
            .or_else(|| search(error, &|error| Self::of_store(error.downcast_ref()?)))
            .or_else(|| search(error, &Self::of_text))
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Self::Full),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some(Self::Locked)
            }
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::TimedOut => Some(Self::Silent),
            _ => None,
        }
    }

    /// A refused listing is a `Generic` whose status is private; its text is all there is.
    fn of_server(error: &(dyn StdError + 'static)) -> Option<Self> {
        let text = error.to_string();
        let refused = text.starts_with("Server returned non-2xx status code: 403")
            || text.starts_with("Server returned non-2xx status code: 401");
        refused.then_some(Self::Refused)
    }

    /// Reading a log, the Delta crates turn what the store said into text; this is how it begins.
    fn of_text(error: &(dyn StdError + 'static)) -> Option<Self> {
        let text = error.to_string();
        let (_, said) = text.split_once("Error interacting with object store: ")?;
        let refused = ["status code: 401", "status code: 403"].iter().any(|s| said.contains(s));
        Some(if refused { Self::Refused } else { Self::Silent })
    }

    fn of_store(error: &object_store::Error) -> Option<Self> {
        match error {
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Some(Self::Refused),
            object_store::Error::NotFound { .. } => Some(Self::Gone),
            object_store::Error::Generic { .. } => Some(Self::Silent),
            _ => None,
        }
    }

    fn kind(self) -> ErrorKind {
        match self {
            Self::Full | Self::Locked | Self::Refused => ErrorKind::Access,
            Self::Gone => ErrorKind::Data,
            Self::Silent => ErrorKind::Busy,
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Full => "the disk is full; free some space and run again, nothing is lost",
            Self::Locked => "the storage root or the spill folder is not writable for this user",
            Self::Refused => "the storage refused the key; check its options: key, secret, region",
            Self::Gone => "an object is missing; check that nothing else deletes below the root",
            Self::Silent => "the storage did not answer; check its address, then run again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(source: Box<dyn StdError + Send + Sync>) -> Error {
        Error::storage("writing `x`")(object_store::Error::Generic { store: "x", source })
    }

    #[test]
    fn a_full_disk_is_found_under_every_wrapping() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let twice = io::Error::other(object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(full()),
        });
        let engine = DataFusionError::External(Box::new(twice));
        for error in [stored(Box::new(full())), Error::engine("writing")(engine)] {
            assert_eq!(error.kind(), ErrorKind::Access, "{error:?}");
            assert!(error.hint().unwrap().contains("disk is full"), "{error:?}");
        }
    }

    #[test]
    fn a_silent_store_is_busy_and_a_refusing_one_is_access() {
        let silent = stored(Box::new(io::Error::other("connection closed")));
        assert_eq!(silent.kind(), ErrorKind::Busy);
        let log = |said: &str| Error::Table {
            table: "raw.x.y".to_owned(),
            doing: "reading its log",
            source: Box::new(DeltaTableError::Generic(format!(
                "Error interacting with object store: Generic S3 error: {said}"
            ))),
        };
        assert_eq!(log("error sending request").kind(), ErrorKind::Busy);
        let turned_away = log("Server returned non-2xx status code: 403 Forbidden");
        assert_eq!(turned_away.kind(), ErrorKind::Access);
        let refused = stored("Server returned non-2xx status code: 403 Forbidden: x".into());
        assert_eq!(refused.kind(), ErrorKind::Access);
    }
}
