//! What an expression reads: columns, the rows that its values belong to, a currency.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, ExprSchemable as _, Operator};

use super::super::units::Unit;
use super::dependencies::Attribute;
use super::relation::{Addends, Cell, Relation};

/// More addends than these are taken for one.
const MOST_ADDENDS: usize = 12;

/// The columns of an expression by number, each once.
pub(super) fn columns_at(expr: &Expr, schema: &DFSchema) -> Vec<usize> {
    let mut found = Vec::new();
    let walked = expr.apply(|part| {
        if let Expr::Column(column) = part
            && let Some(at) = schema.maybe_index_of_column(column)
            && !found.contains(&at)
        {
            found.push(at);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    found
}

pub(super) fn columns(expr: &Expr, schema: &DFSchema, cells: &[Cell]) -> Vec<Attribute> {
    let at = columns_at(expr, schema);
    at.into_iter().filter_map(|at| cells.get(at)).map(|cell| cell.attribute).collect()
}

/// Whether two values never become one: a cast to text, or of a moment to a number.
pub(super) fn keeps_apart(expr: &Expr, schema: &DFSchema) -> bool {
    let Expr::Cast(cast) = expr else { return false };
    let Ok(from) = cast.expr.get_type(schema) else { return false };
    match cast.field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Int64 => from.is_integer() || matches!(from, DataType::Timestamp(..)),
        _ => false,
    }
}

/// The rows that the values of an expression belong to.
pub(super) fn addends(expr: &Expr, schema: &DFSchema, cells: &[Cell]) -> Addends {
    let of = |expr: &Expr| addends(expr, schema, cells);
    let found = match expr {
        Expr::Alias(alias) => of(&alias.expr),
        Expr::Cast(cast) => of(&cast.expr),
        Expr::TryCast(cast) => of(&cast.expr),
        Expr::Negative(inner) => of(inner),
        Expr::Column(column) => schema
            .maybe_index_of_column(column)
            .and_then(|at| cells.get(at))
            .map(|cell| cell.addends.clone())
            .unwrap_or_default(),
        Expr::BinaryExpr(pair) if matches!(pair.op, Operator::Plus | Operator::Minus) => {
            let mut sum = of(&pair.left);
            sum.extend(of(&pair.right).into_iter().filter(|rows| !rows.is_empty()));
            sum.sort();
            sum.dedup();
            sum
        }
        Expr::BinaryExpr(pair) if matches!(pair.op, Operator::Multiply | Operator::Divide) => {
            let (left, right) = (of(&pair.left), of(&pair.right));
            match (left.is_empty(), right.is_empty()) {
                (true, _) => right,
                (_, true) => left,
                (false, false) => {
                    let pairs = left.iter().flat_map(|one| {
                        right.iter().map(move |other| one.iter().chain(other).copied().collect())
                    });
                    pairs.collect()
                }
            }
        }
        _ => {
            let at = columns_at(expr, schema);
            let mut rows: Vec<Attribute> = at
                .into_iter()
                .filter_map(|at| cells.get(at))
                .flat_map(|cell| cell.addends.iter().flatten().copied())
                .collect();
            rows.sort_unstable();
            rows.dedup();
            if rows.is_empty() { Vec::new() } else { vec![rows] }
        }
    };
    if found.len() <= MOST_ADDENDS {
        return found;
    }
    let mut rows: Vec<Attribute> = found.into_iter().flatten().collect();
    rows.sort_unstable();
    rows.dedup();
    vec![rows]
}

/// Whether a column says in which currency a row is.
pub(super) fn is_currency(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "currency" || name.ends_with("_currency") || name.ends_with("currency_code")
}

/// Remembers the rows whose currency a condition speaks of by a word of its own, such as
/// `is_order_currency`. What is compared with a value is fixed as any column is.
pub(super) fn settle(predicate: &Expr, schema: &DFSchema, relation: &mut Relation) {
    let mut rows = Vec::new();
    settled_by(predicate, schema, &relation.cells, &mut rows);
    relation.settled.extend(rows);
}

pub(super) fn settled_by(
    predicate: &Expr,
    schema: &DFSchema,
    cells: &[Cell],
    rows: &mut Vec<Attribute>,
) {
    for at in columns_at(predicate, schema) {
        let name = schema.field(at).name().to_lowercase();
        if name.contains("currency")
            && !is_currency(&name)
            && let Some(cell) = cells.get(at)
        {
            rows.extend(cell.addends.iter().flatten());
        }
    }
}

/// Whether an expression takes another value for another currency, or converts by a rate.
pub(super) fn looks_at_currency(expr: &Expr) -> bool {
    let mut looks = false;
    let walked = expr.apply(|part| {
        looks |= match part {
            Expr::Case(case) => {
                let whens = case.when_then_expr.iter().map(|(when, _)| when).chain(&case.expr);
                whens
                    .flat_map(|when| when.column_refs())
                    .any(|column| column.name.to_lowercase().contains("currency"))
            }
            Expr::BinaryExpr(pair) if matches!(pair.op, Operator::Multiply | Operator::Divide) => {
                let mut sides = [&pair.left, &pair.right].into_iter();
                sides.any(|side| side.column_refs().iter().any(|column| is_rate(&column.name)))
            }
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
    looks
}

fn is_rate(name: &str) -> bool {
    matches!(Unit::of_name(name), Some(Unit::Rate))
}

/// The rows of money in a sum whose currency stands beside it and not in its name.
pub(super) fn money_of_its_row(
    argument: &Expr,
    schema: &DFSchema,
    cells: &[Cell],
) -> Vec<Attribute> {
    if looks_at_currency(argument) {
        return Vec::new();
    }
    let is_money = |at: &usize| {
        let unit = Unit::of_name(schema.field(*at).name());
        matches!(unit, Some(Unit::Money(None) | Unit::Minor))
    };
    let money = columns_at(argument, schema).into_iter().filter(is_money);
    let cells = money.filter_map(|at| cells.get(at));
    cells.flat_map(|cell| cell.addends.iter().flatten().copied()).collect()
}
