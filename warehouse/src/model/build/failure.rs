//! Why a model stopped, in words for the one who has to act.

use std::error::Error as _;

use datafusion::common::DataFusionError;

use super::report::Failure;
use crate::model::definition::Model;
use crate::model::scope::plain;
use crate::{Error, ErrorKind, Warehouse};

/// Why a model stopped.
pub(super) enum Stop {
    Error(Error),
    /// The blocking checks that failed.
    Checks(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Stop {
    pub(super) fn is_starved(&self) -> bool {
        matches!(
            self,
            Self::Error(Error::Engine { source, .. })
                if matches!(source.find_root(), DataFusionError::ResourcesExhausted(_))
        )
    }

    pub(super) fn failure(self, model: &Model, warehouse: &Warehouse) -> Failure {
        match self {
            Self::Checks(failed) => Failure {
                kind: ErrorKind::Data,
                message: format!("a blocking check of `{}` failed: {failed}", model.name),
                hint: Some(format!(
                    "the table is unchanged; see `select * from ops.check_results where model = '{}'`",
                    model.name
                )),
            },
            Self::Error(error) => failure(&error, warehouse),
        }
    }
}

fn failure(error: &Error, warehouse: &Warehouse) -> Failure {
    let kind = error.kind();
    let hint = error.hint();
    match error {
        Error::Engine { doing, source } => {
            if let DataFusionError::ResourcesExhausted(detail) = source.find_root() {
                let megabytes = warehouse.options().memory_bytes >> 20;
                let short = detail.lines().next().unwrap_or(detail);
                return Failure {
                    kind: ErrorKind::Access,
                    message: format!("out of memory while {doing}: {short}"),
                    hint: Some(format!(
                        "the limit is {megabytes} MB; raise it, or build fewer models at a time"
                    )),
                };
            }
            Failure { kind, message: format!("{error}: {}", plain(source)), hint }
        }
        other => {
            let mut message = other.to_string();
            let mut cause = other.source();
            while let Some(error) = cause {
                message = format!("{message}: {error}");
                cause = error.source();
            }
            Failure { kind, message, hint }
        }
    }
}
