//! Why a model stopped, in words for the one who has to act.

use std::error::Error as _;

use datafusion::arrow::error::ArrowError;
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
                    "see `inkhouse query \"select * from ops.check_results where model = '{}' and status = 'failed'\"`",
                    model.name
                )),
            },
            Self::Error(error) => failure(&error, warehouse),
        }
    }
}

/// An error and its causes, told once.
pub(super) fn failure(error: &Error, warehouse: &Warehouse) -> Failure {
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
            let message = match source.find_root() {
                DataFusionError::ArrowError(cause, _)
                    if matches!(**cause, ArrowError::CastError(_) | ArrowError::ParseError(_)) =>
                {
                    let hint = "`try_cast` makes null of what does not fit its type, and a query with `try_cast(..) is null` finds the rows";
                    let message = format!("{error}: {}", without_value(&plain(source)));
                    return Failure { kind, message, hint: Some(hint.to_owned()) };
                }
                DataFusionError::Execution(_) => without_value(&plain(source)),
                _ => plain(source).into_owned(),
            };
            Failure { kind, message: format!("{error}: {message}"), hint }
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

/// What the engine says of a value that does not fit, without the value: it may be somebody's address.
fn without_value(text: &str) -> String {
    let bare = "cannot parse decimal format: ";
    if text.starts_with(bare) {
        return format!("{bare}***");
    }
    match (text.split_once('\''), text.rsplit_once('\'')) {
        (Some((before, _)), Some((_, after))) => format!("{before}'***'{after}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_value;

    #[test]
    fn a_value_is_not_repeated_whatever_quotes_it_holds() {
        for (said, told) in [
            (
                "cannot cast string 'o'hara@example.com' to value of Int64 type",
                "cannot cast string '***' to value of Int64 type",
            ),
            (
                "error parsing timestamp from 'Ann': error",
                "error parsing timestamp from '***': error",
            ),
            ("cannot parse decimal format: Ann", "cannot parse decimal format: ***"),
            ("cannot cast to Decimal128(38, 30)", "cannot cast to Decimal128(38, 30)"),
        ] {
            assert_eq!(without_value(said), told);
        }
    }
}
