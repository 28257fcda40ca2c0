//! The normal form of a plan: what the SQL means, whatever it looks like.
//!
//! Two texts with one normal form compute the same rows, so that new line breaks, comments, `as`
//! or not, another order of CTEs rebuild nothing. The engine's own display of a plan shortens long
//! lists, so every expression is written out here.

use std::fmt::Write as _;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use xxhash_rust::xxh3::xxh3_128;

/// A digest of the normal form of `plan`.
pub(crate) fn digest_of(plan: &LogicalPlan) -> Result<String, DataFusionError> {
    let mut text = String::new();
    plan.apply_with_subqueries(|node| {
        let inputs = node.inputs().len();
        let written = writeln!(text, "{inputs} {}", node.display());
        written.map_err(|error| DataFusionError::Internal(error.to_string()))?;
        for expression in node.expressions() {
            let written = writeln!(text, "  {expression}");
            written.map_err(|error| DataFusionError::Internal(error.to_string()))?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    // Names and types of the columns, which a set operation takes from one side only.
    let written = write!(text, "{:?}", plan.schema().as_arrow().fields());
    written.map_err(|error| DataFusionError::Internal(error.to_string()))?;
    Ok(digest(&text))
}

/// 128 bits of `text`, in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}
