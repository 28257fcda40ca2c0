//! The normal form of a plan: what the SQL means, whatever it looks like.
//!
//! Two texts with one normal form compute the same rows, so that new line breaks, comments, `as`
//! or not, another order of CTEs rebuild nothing. The engine's own display of a plan shortens long
//! lists and leaves out brackets (`a - (b - c)` reads `a - b - c`), so every expression is written
//! out here, part by part.

use std::fmt::Write as _;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use xxhash_rust::xxh3::xxh3_128;

/// A digest of the normal form of `plan`.
pub(crate) fn digest_of(plan: &LogicalPlan) -> Result<String, DataFusionError> {
    let mut text = String::new();
    plan.apply_with_subqueries(|node| {
        let inputs = node.inputs().len();
        let written = writeln!(text, "{inputs} {}", node.display());
        written.map_err(|error| DataFusionError::Internal(error.to_string()))?;
        for expression in node.expressions() {
            write_parts(&mut text, &expression)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    // Names and types of the columns, which a set operation takes from one side only.
    let written = write!(text, "{:?}", plan.schema().as_arrow().fields());
    written.map_err(|error| DataFusionError::Internal(error.to_string()))?;
    Ok(digest(&text))
}

/// An expression so that two with one text compute the same.
pub(crate) fn written(expression: &Expr) -> Result<String, DataFusionError> {
    let mut text = String::new();
    write_parts(&mut text, expression)?;
    Ok(text)
}

/// Every part from the outside in, each with how many parts it has: what is a part of what is told
/// by these numbers.
fn write_parts(text: &mut String, expression: &Expr) -> Result<(), DataFusionError> {
    expression.apply(|part| {
        let mut parts = 0_usize;
        part.apply_children(|_| {
            parts += 1;
            Ok(TreeNodeRecursion::Continue)
        })?;
        let written = writeln!(text, "  {parts} {part}");
        written.map_err(|error| DataFusionError::Internal(error.to_string()))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// 128 bits of `text`, in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn digest_of_sql(expression: &str) -> String {
        let session = datafusion::prelude::SessionContext::new();
        let sql =
            format!("select {expression} as n from (values (1, 2, 3, true)) as t (a, b, c, p)");
        digest_of(session.sql(&sql).await.unwrap().logical_plan()).unwrap()
    }

    #[tokio::test]
    async fn brackets_count_and_layout_does_not() {
        for (one, other) in [
            ("a - b - c", "a - (b - c)"),
            ("a / b * c", "a / (b * c)"),
            ("a - b + c", "a - (b + c)"),
            ("a % b * c", "a % (b * c)"),
            ("not (a between 1 and 3 or b > 2)", "(not a between 1 and 3) or b > 2"),
            ("(p or b > 2) between false and false", "p or (b > 2) between false and false"),
            ("(p or b > 2) is null", "p or (b > 2) is null"),
            ("case when p then a else b end", "case when p then b else a end"),
        ] {
            assert_ne!(digest_of_sql(one).await, digest_of_sql(other).await, "{one}, {other}");
        }
        assert_eq!(digest_of_sql("(a-b)  -c").await, digest_of_sql("a - b - c").await);
    }
}
