//! Which keys are wanted, and the filter for them.
//!
//! Of a key only a hash of 128 bits is kept, so a million keys of any width take 32 MB; among a
//! billion keys two share a hash with a chance of one in 10^20.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{ArrayRef, BooleanArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, binary_expr, lit,
};
use rustc_hash::FxHashSet;

use crate::table::{row_hashes, stored_type};

/// A set of keys.
#[derive(Debug, Clone)]
pub(crate) enum KeySet {
    /// Those with these hashes.
    Changed {
        /// Of the whole tuple.
        hashes: FxHashSet<u128>,
        /// The smallest and the largest value of the tuple's first part, where they can be
        /// compared by what a file says about itself.
        bounds: Option<(ScalarValue, ScalarValue)>,
    },
    /// All but those with these hashes.
    Others {
        /// Of the whole tuple.
        hashes: FxHashSet<u128>,
    },
    /// Every `of`-th, beginning with `index`: one part when the whole does not fit.
    Part {
        /// Below `of`.
        index: u64,
        /// Into how many parts.
        of: u64,
    },
}

impl KeySet {
    fn has(&self, hash: u128) -> bool {
        match self {
            Self::Changed { hashes, .. } => hashes.contains(&hash),
            Self::Others { hashes } => !hashes.contains(&hash),
            Self::Part { index, of } => hash % u128::from((*of).max(1)) == u128::from(*index),
        }
    }

    /// How many keys there are, where they are counted.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Self::Changed { hashes, .. } => Some(hashes.len()),
            Self::Others { .. } | Self::Part { .. } => None,
        }
    }

    /// The least and the greatest text of the first part of the key, where they are known.
    pub(crate) fn text_bounds(&self) -> Option<(&str, &str)> {
        match self {
            Self::Changed { bounds: Some((low, high)), .. } => {
                low.try_as_str().flatten().zip(high.try_as_str().flatten())
            }
            _ => None,
        }
    }

    /// Whether there is surely none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

/// The keys that a filter keeps, known at the latest when it runs.
#[derive(Debug, Default)]
pub(crate) struct Keep(OnceLock<KeySet>);

impl Keep {
    /// Known at once.
    pub(crate) fn of(keys: KeySet) -> Arc<Self> {
        Arc::new(Self(OnceLock::from(keys)))
    }

    /// Tells which keys; once.
    pub(crate) fn fill(&self, keys: KeySet) {
        let _known = self.0.set(keys);
    }

    /// The keys, if they are known.
    pub(crate) fn keys(&self) -> Option<&KeySet> {
        self.0.get()
    }
}

/// The condition that the tuple `key` is one of `keys`.
pub(crate) fn wanted(keys: &Arc<Keep>, key: &[Expr]) -> Expr {
    let udf = ScalarUDF::from(Wanted {
        keys: Arc::clone(keys),
        signature: Signature::variadic_any(Volatility::Immutable),
    });
    let listed = udf.call(key.to_vec());
    // A range besides, which files and row groups can be skipped by.
    match (key.first(), keys.keys()) {
        (Some(Expr::Column(first)), Some(KeySet::Changed { bounds: Some((low, high)), .. })) => {
            let compared = |op, bound: &ScalarValue| {
                binary_expr(Expr::Column(first.clone()), op, lit(bound.clone()))
            };
            compared(Operator::GtEq, low).and(compared(Operator::LtEq, high)).and(listed)
        }
        _ => listed,
    }
}

/// The hashes of a tuple, one a row, by the stored types of its parts.
pub(crate) fn key_hashes(columns: &[ArrayRef], rows: usize) -> Result<Vec<u128>> {
    let stored = columns.iter().map(|column| {
        let to = stored_type("a key", "key", column.data_type())
            .map_err(|error| DataFusionError::Plan(error.to_string()))?;
        if column.data_type() == &to { Ok(Arc::clone(column)) } else { Ok(cast(column, &to)?) }
    });
    row_hashes(&stored.collect::<Result<Vec<_>>>()?, rows)
}

/// `is_changed(..)`: whether a tuple is in the set.
struct Wanted {
    keys: Arc<Keep>,
    signature: Signature,
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted")
            .field("keys", &self.keys.keys().map(KeySet::len))
            .finish_non_exhaustive()
    }
}

// Two filters are one when they share the set.
impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.keys, &other.keys)
    }
}

impl Eq for Wanted {}

impl Hash for Wanted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.keys).hash(state);
    }
}

impl ScalarUDFImpl for Wanted {
    fn name(&self) -> &'static str {
        "is_changed"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns: Vec<ArrayRef> =
            args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<_>>()?;
        let Some(keys) = self.keys.keys() else {
            return exec_err!("a filter for changed keys ran before they were known");
        };
        let hashes = key_hashes(&columns, rows)?;
        let wanted: BooleanArray = hashes.into_iter().map(|hash| Some(keys.has(hash))).collect();
        Ok(ColumnarValue::Array(Arc::new(wanted)))
    }
}
