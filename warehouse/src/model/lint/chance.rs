//! Clocks and chance in a model: the same input gives another table, and nothing can be compared.

use datafusion::execution::SessionState;
use datafusion::logical_expr::Volatility;
use datafusion::sql::sqlparser::ast::Expr;

use super::super::finding::code;
use super::Subject;
use super::syntax::{Node, function_name, start};

pub(super) fn look(subject: &mut Subject<'_>, state: &SessionState, node: &Node<'_>) {
    let Node::Expression(expr @ Expr::Function(function)) = node else { return };
    let name = function_name(function);
    let volatility = state.scalar_functions().get(&name).map(|known| known.signature().volatility);
    let (what, hint) = match volatility {
        Some(Volatility::Volatile) => (
            "is chance: the same input gives another table each time",
            "take an id or a hash of the row's own columns",
        ),
        Some(Volatility::Stable) => (
            "is a clock: the table changes though its input does not",
            "measure from a date in the data, such as the newest order's",
        ),
        _ => return,
    };
    subject.add(start(*expr), code::CHANCE, format!("`{name}` {what}"), hint);
}
