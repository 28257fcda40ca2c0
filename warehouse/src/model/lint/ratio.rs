//! Ratios that are averaged or added up: the mean of two margins is not the margin of both.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};

use super::super::finding::code;
use super::Subject;
use super::syntax::{Node, arguments, bare, column_name, function_name, start};
use super::units::{Unit, unit};

pub(super) fn look(subject: &mut Subject<'_>, node: &Node<'_>) {
    let Node::Expression(expr @ Expr::Function(function)) = node else { return };
    let name = function_name(function);
    let arguments = arguments(function);
    let Some(argument) = arguments.first().map(|argument| plain(argument)) else { return };
    let what = match name.as_str() {
        "avg" | "mean" | "median" if is_quotient(argument) => "a quotient".to_owned(),
        // Shares of one whole do add up.
        "sum"
            if column_name(argument).is_some_and(|name| name.to_lowercase().contains("share")) =>
        {
            return;
        }
        "avg" | "mean" | "median" | "sum" if is_rate(argument) => match column_name(argument) {
            Some(column) => format!("`{column}`"),
            None => "a rate".to_owned(),
        },
        _ => return,
    };
    let done = if name == "sum" { "added up" } else { "averaged" };
    let hint = "divide the sums: `sum(part) / sum(whole)` weighs every row by its size";
    subject.add(start(*expr), code::RATIO, format!("{what} is {done}"), hint);
}

/// Without what leaves a ratio a ratio.
fn plain(expr: &Expr) -> &Expr {
    match bare(expr) {
        Expr::Function(function)
            if ["round", "coalesce", "nullif", "abs"]
                .contains(&function_name(function).as_str()) =>
        {
            arguments(function).first().map_or(expr, |first| plain(first))
        }
        other => other,
    }
}

fn is_rate(expr: &Expr) -> bool {
    matches!(unit(expr), Some(Unit::Rate | Unit::Percent))
}

/// One value over another; over a number or a rate it is a conversion.
fn is_quotient(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::Divide, right } => {
            let is_number = |side: &Expr| matches!(plain(side), Expr::Value(_));
            !is_number(left) && !is_number(right) && !is_rate(right)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Multiply, right } => {
            // `100 * a / b` is a ratio still.
            let is_number = |side: &Expr| matches!(plain(side), Expr::Value(_));
            (is_number(left) && is_quotient(plain(right)))
                || (is_number(right) && is_quotient(plain(left)))
        }
        _ => false,
    }
}
