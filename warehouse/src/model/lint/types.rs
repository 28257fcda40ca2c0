//! Values of types that do not belong together, which the engine would quietly bring together.
//!
//! A text compared with a number is compared as text or fails on the first row that is none; money
//! beside a float is a float. A text literal beside a date is fine when it is one.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlan, Operator};

use super::super::check::words;
use super::super::finding::{Place, code};
use super::syntax::{Form, Syntax};
use super::{Subject, place_of_column};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Text,
    Integer,
    Decimal,
    Float,
    Boolean,
    Time,
}

fn family(data_type: &DataType) -> Option<Family> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Family::Text),
        DataType::Boolean => Some(Family::Boolean),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Some(Family::Time),
        kind if kind.is_integer() => Some(Family::Integer),
        kind if kind.is_decimal() => Some(Family::Decimal),
        kind if kind.is_floating() => Some(Family::Float),
        _ => None,
    }
}

/// A value of an expression: its type, and what stands there if it is written out.
struct Value<'a> {
    data_type: DataType,
    expr: &'a Expr,
}

pub(super) fn look(subject: &mut Subject<'_>, plan: &LogicalPlan) {
    let mut syntax = None;
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Union(union) = node {
            branches(subject, &union.inputs);
        }
        let inputs = node.inputs();
        let schema = match inputs.as_slice() {
            [] => return Ok(TreeNodeRecursion::Continue),
            [input] => input.schema(),
            _ => node.schema(),
        };
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some((one, other, form, name)) = clash(expr, schema) {
                    let syntax = syntax.get_or_insert_with(|| Syntax::of(&subject.model.statement));
                    let place = syntax.place(expr, form, &name).unwrap_or(Place::START);
                    let (message, hint) = words_of(&one, &other, expr);
                    subject.add(place, code::MISMATCH, message, hint);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
}

type Clash = (DataType, DataType, Form, String);

/// Two types in one expression that do not belong together.
fn clash(expr: &Expr, schema: &DFSchema) -> Option<Clash> {
    let value = |expr| value(expr, schema);
    let first = |values: Vec<Option<Value<'_>>>, form, name: &str| {
        let values: Vec<Value<'_>> = values.into_iter().flatten().collect();
        let (one, others) = values.split_first()?;
        let other = others.iter().find(|other| are_at_odds(one, other))?;
        Some((one.data_type.clone(), other.data_type.clone(), form, name.to_owned()))
    };
    match expr {
        Expr::BinaryExpr(pair) => {
            let comparison = matches!(
                pair.op,
                Operator::Eq
                    | Operator::NotEq
                    | Operator::Lt
                    | Operator::LtEq
                    | Operator::Gt
                    | Operator::GtEq
                    | Operator::IsDistinctFrom
                    | Operator::IsNotDistinctFrom
            );
            let arithmetic = matches!(
                pair.op,
                Operator::Plus
                    | Operator::Minus
                    | Operator::Multiply
                    | Operator::Divide
                    | Operator::Modulo
            );
            if !comparison && !arithmetic {
                return None;
            }
            let (one, other) = (value(&pair.left)?, value(&pair.right)?);
            let are_times = |value: &Value<'_>| family(&value.data_type) == Some(Family::Time);
            if arithmetic && (are_times(&one) || are_times(&other)) {
                return None;
            }
            let clash = (one.data_type.clone(), other.data_type.clone());
            are_at_odds(&one, &other).then(|| (clash.0, clash.1, Form::Operator, String::new()))
        }
        Expr::InList(list) => {
            let values = std::iter::once(list.expr.as_ref()).chain(&list.list).map(value);
            first(values.collect(), Form::Other, "")
        }
        Expr::Between(between) => {
            let values = [&between.expr, &between.low, &between.high].map(|part| value(part));
            first(values.into(), Form::Other, "")
        }
        Expr::Case(case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
            first(results.map(|result| value(result)).collect(), Form::Other, "")
        }
        Expr::ScalarFunction(call) if ["coalesce", "nullif"].contains(&call.name()) => {
            first(call.args.iter().map(value).collect(), Form::Call, call.name())
        }
        _ => None,
    }
}

fn value<'a>(expr: &'a Expr, schema: &DFSchema) -> Option<Value<'a>> {
    let data_type = expr.get_type(schema).ok()?;
    Some(Value { data_type, expr })
}

fn are_at_odds(one: &Value<'_>, other: &Value<'_>) -> bool {
    use Family::{Boolean, Decimal, Float, Text, Time};
    let (Some(left), Some(right)) = (family(&one.data_type), family(&other.data_type)) else {
        return false;
    };
    if left == right {
        return false;
    }
    match (left, right) {
        (Text, Time) => !reads_as(one.expr, &other.data_type),
        (Time, Text) => !reads_as(other.expr, &one.data_type),
        (Text | Boolean | Time, _) | (_, Text | Boolean | Time) => true,
        // A number that is written out becomes what stands beside it.
        (Decimal, Float) => !is_number(one.expr),
        (Float, Decimal) => !is_number(other.expr),
        _ => false,
    }
}

/// Whether it is a number that is written out.
fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.data_type().is_numeric(),
        Expr::Negative(inner) => is_number(inner),
        _ => false,
    }
}

/// Whether a text that is written out is a value of that type.
fn reads_as(expr: &Expr, wanted: &DataType) -> bool {
    match expr {
        Expr::Literal(value, _) => value.cast_to(wanted).is_ok(),
        _ => false,
    }
}

fn words_of(one: &DataType, other: &DataType, expr: &Expr) -> (String, &'static str) {
    let verb = match expr {
        Expr::BinaryExpr(pair) if pair.op.is_numerical_operators() => "meets",
        Expr::Case(_) | Expr::ScalarFunction(_) => "stands in for",
        _ => "is compared with",
    };
    let message = format!("{} {verb} {}", words(one), words(other));
    let is = |wanted| family(one) == Some(wanted) || family(other) == Some(wanted);
    let hint = if is(Family::Text) && is(Family::Time) {
        "cast the text, or write the day as `2026-11-30`"
    } else if is(Family::Text) {
        "cast one of them: ids are text, and `'10' < '9'`"
    } else if is(Family::Float) {
        "cast the float to a decimal first: what meets a float is a float"
    } else {
        "cast one of them, and say what is meant"
    };
    (message, hint)
}

/// Columns that are text in one branch of a union and something else in another.
fn branches(subject: &mut Subject<'_>, inputs: &[std::sync::Arc<LogicalPlan>]) {
    let Some((first, others)) = inputs.split_first() else { return };
    for (number, field) in first.schema().fields().iter().enumerate() {
        let Some(wanted) = family(field.data_type()) else { continue };
        for other in others {
            let fields = other.schema().fields();
            let Some(given) = fields.get(number) else { continue };
            let Some(found) = family(given.data_type()) else { continue };
            let odd = |family| matches!(family, Family::Text | Family::Boolean | Family::Time);
            if found != wanted && (odd(found) || odd(wanted)) {
                let place = column_of(other, number)
                    .unwrap_or_else(|| place_of_column(subject.model, given.name()));
                let message = format!(
                    "`{}` is {} in one branch of the union and {} in another",
                    field.name(),
                    words(field.data_type()),
                    words(given.data_type())
                );
                subject.add(place, code::MISMATCH, message, "cast it to one type in every branch");
            }
        }
    }
}

/// Where a branch names the column of that number.
fn column_of(branch: &LogicalPlan, number: usize) -> Option<Place> {
    let LogicalPlan::Projection(projection) = branch else { return None };
    let empty = Syntax::none();
    empty.place(projection.expr.get(number)?, Form::Other, "")
}
