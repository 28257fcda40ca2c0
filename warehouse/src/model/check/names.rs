//! Columns that nobody named, and names that a Delta table cannot hold.
//!
//! The engine calls an unnamed expression by its own text, `count(*)`; Delta refuses such names
//! unless a table maps its columns, which many readers do not know.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::Schema;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, Spanned as _, Statement as Ast, TableFactor,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::super::definition::Model;
use super::super::finding::{Finding, Place, code};
use super::super::lint;

/// What no name of a Delta column has.
const FORBIDDEN: [char; 10] = [' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// Finds them; the result is the names, as the engine has them, whose types are not looked at.
pub(super) fn look<'a>(
    model: &Model,
    given: &'a Schema,
    findings: &mut Vec<Finding>,
) -> BTreeSet<&'a str> {
    let items = selected(&model.statement);
    let mut add = |place: Place, message: String, hint: String| {
        findings.push(place.finding(code::TYPE, &model.path, message, Some(hint)));
    };
    let mut is_unnamed = false;
    for place in items.iter().filter_map(unnamed) {
        is_unnamed = true;
        let hint = "give this column a name: `.. as order_count`".to_owned();
        add(place, "an expression without a name".to_owned(), hint);
    }
    let mut nameless = BTreeSet::new();
    for field in given.fields() {
        let name = field.name().as_str();
        let is_forbidden = name.contains(FORBIDDEN);
        let is_own = is_unnamed && !name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let alias = items.iter().find_map(|item| alias(item).filter(|ident| ident.value == name));
        if let Some(alias) = alias.filter(|_| is_forbidden) {
            let hint = "use lower-case letters, digits and `_`".to_owned();
            let message = format!("`{name}` is no name for a column: Delta does not take it");
            add(begin(alias.span), message, hint);
        } else if is_forbidden && !is_unnamed {
            // It comes through a `*`.
            let hint = "give it a name where it is computed: `.. as order_count`".to_owned();
            let message = format!("`{name}` is an expression without a name");
            add(lint::place_of_column(model, name), message, hint);
        } else if alias.is_some() || !is_own {
            continue;
        }
        nameless.insert(name);
    }
    nameless
}

/// What the outermost `select` lists; through `select * from cte` that of the CTE.
fn selected(statement: &Statement) -> &[SelectItem] {
    let Statement::Statement(statement) = statement else { return &[] };
    match statement.as_ref() {
        Ast::Query(query) => listed(query, &[]).map_or(&[], |select| &select.projection),
        _ => &[],
    }
}

fn listed<'a>(query: &'a Query, outer: &[(&'a str, &'a Query)]) -> Option<&'a Select> {
    let own = query.with.iter().flat_map(|with| &with.cte_tables);
    let own = own.map(|cte| (cte.alias.name.value.as_str(), cte.query.as_ref()));
    let known: Vec<(&str, &Query)> = outer.iter().copied().chain(own).collect();
    let select = first(&query.body)?;
    let ([SelectItem::Wildcard(_)], [from]) =
        (select.projection.as_slice(), select.from.as_slice())
    else {
        return Some(select);
    };
    match &from.relation {
        TableFactor::Table { name, .. } if from.joins.is_empty() => {
            let name = name.to_string();
            let at = known.iter().rposition(|(cte, _)| *cte == name);
            let Some((before, after)) = at.and_then(|at| known.split_at_checked(at)) else {
                return Some(select);
            };
            listed(after.first()?.1, before)
        }
        TableFactor::Derived { subquery, .. } if from.joins.is_empty() => listed(subquery, &known),
        _ => Some(select),
    }
}

/// The names of a set operation are those of its first `select`.
fn first(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => first(&query.body),
        SetExpr::SetOperation { left, .. } => first(left),
        _ => None,
    }
}

/// Where an item stands that has no name.
fn unnamed(item: &SelectItem) -> Option<Place> {
    let SelectItem::UnnamedExpr(expression) = item else { return None };
    let mut inner = expression;
    while let Expr::Nested(within) = inner {
        inner = within;
    }
    let is_column = matches!(inner, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    (!is_column).then(|| begin(expression.span()))
}

fn alias(item: &SelectItem) -> Option<&Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias),
        _ => None,
    }
}

fn begin(span: Span) -> Place {
    let index = |n: u64| usize::try_from(n).ok().filter(|n| *n > 0);
    let place = index(span.start.line).zip(index(span.start.column));
    place.map_or(Place::START, |(line, column)| Place { line, column })
}
