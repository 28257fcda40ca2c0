//! Results that depend on the order of rows where nothing fixes it: threads decide then.
//!
//! `array_agg` without an order is fine for what does not look at places, such as `allocate`; it is
//! reported where its list is stored.

use datafusion::sql::sqlparser::ast::{
    self, Distinct, Expr, FunctionArgumentClause, FunctionArguments, LimitClause, NamedWindowExpr,
    SetExpr, Spanned as _, WindowType,
};

use super::super::finding::code;
use super::super::header::Kind;
use super::Subject;
use super::syntax::{Node, bare, begin, function_name, item, start};

/// Window functions that count or look at places.
const PLACES: [&str; 11] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];
/// Aggregates whose result is a place's value or keeps the order.
const ORDERED: [&str; 4] = ["first_value", "last_value", "nth_value", "string_agg"];

const HINT: &str = "add `order by` with columns that leave no tie";

pub(super) fn look(subject: &mut Subject<'_>, node: &Node<'_>) {
    match node {
        Node::Expression(expr @ Expr::Function(function)) => {
            let name = function_name(function);
            let says = match &function.over {
                Some(WindowType::WindowSpec(window)) => {
                    PLACES.contains(&name.as_str())
                        && window.order_by.is_empty()
                        && window.window_name.is_none()
                }
                Some(WindowType::NamedWindow(_)) => false,
                None => ORDERED.contains(&name.as_str()) && !is_ordered(function),
            };
            if says {
                let message = format!("`{name}` has no order: which row comes first is chance");
                subject.add(start(*expr), code::ORDER, message, HINT);
            }
        }
        Node::Expression(_) => {}
        Node::Select(select) => {
            if let Some(Distinct::On(on)) = &select.distinct {
                let place = on.first().map_or_else(|| start(*select), start);
                // Its order stands at the end of the query, which is looked at there.
                if !subject.model.statement.to_string().contains(" ORDER BY ") {
                    let message =
                        "`distinct on` has no order: which row stays is chance".to_owned();
                    subject.add(place, code::ORDER, message, HINT);
                }
            }
            for window in &select.named_window {
                if let NamedWindowExpr::WindowSpec(spec) = &window.1
                    && spec.order_by.is_empty()
                    && names_window(select, &window.0.value)
                {
                    let place = begin(window.0.span);
                    let message = format!("the window `{}` has no order", window.0.value);
                    subject.add(place, code::ORDER, message, HINT);
                }
            }
        }
        Node::Query(query, is_whole) => {
            let limit = match &query.limit_clause {
                Some(LimitClause::LimitOffset { limit, .. }) => limit.as_ref(),
                Some(LimitClause::OffsetCommaLimit { limit, .. }) => Some(limit),
                None => query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref()),
            };
            if let Some(limit) = limit
                && query.order_by.is_none()
                && !is_zero(limit)
            {
                let message = "`limit` has no order: which rows stay is chance".to_owned();
                subject.add(start(limit), code::ORDER, message, HINT);
            }
            if *is_whole && subject.model.header.kind != Kind::View {
                stored_lists(subject, &query.body);
            }
        }
    }
}

/// A list that becomes a column as it was gathered.
fn stored_lists(subject: &mut Subject<'_>, body: &SetExpr) {
    for select in super::syntax::branches(body) {
        for (expr, _) in select.projection.iter().filter_map(item) {
            if let Expr::Function(function) = bare(expr)
                && function_name(function) == "array_agg"
                && function.over.is_none()
                && !is_ordered(function)
            {
                let message = "the list has no order: it changes from build to build".to_owned();
                let hint = "`array_agg(.. order by ..)`, or `array_sort(array_agg(..))`";
                subject.add(start(expr), code::ORDER, message, hint);
            }
        }
    }
}

fn is_ordered(function: &ast::Function) -> bool {
    let FunctionArguments::List(list) = &function.args else { return false };
    !function.within_group.is_empty()
        || list.clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)))
}

/// Whether a function that looks at places is computed over the window of that name.
fn names_window(select: &ast::Select, window: &str) -> bool {
    select.projection.iter().filter_map(item).any(|(expr, _)| match bare(expr) {
        Expr::Function(function) => {
            PLACES.contains(&function_name(function).as_str())
                && matches!(&function.over, Some(WindowType::NamedWindow(name)) if name.value == window)
        }
        _ => false,
    })
}

fn is_zero(limit: &Expr) -> bool {
    limit.span().start.line > 0 && limit.to_string() == "0"
}
