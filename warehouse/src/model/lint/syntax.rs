//! The syntax of a statement: its expressions and queries in turn, and where they stand.

use std::ops::ControlFlow;

use datafusion::common::Span as PlanSpan;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::Expr as PlanExpr;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, Cte, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Select, SelectItem,
    SetExpr, Spanned, Visit as _, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use super::super::finding::Place;

/// A part of a statement.
pub(super) enum Node<'a> {
    Expression(&'a Expr),
    Select(&'a Select),
    /// A query, and whether it is the statement itself.
    Query(&'a Query, bool),
}

/// Shows every query, `select` and expression of a statement, from the outside in.
pub(super) fn walk(statement: &Statement, look: &mut dyn FnMut(Node<'_>)) {
    let Statement::Statement(statement) = statement else { return };
    let mut walker = Walker { look, depth: 0 };
    let walked = statement.visit(&mut walker);
    debug_assert!(walked.is_continue(), "the visitor never breaks");
}

struct Walker<'a> {
    look: &'a mut dyn FnMut(Node<'_>),
    depth: usize,
}

impl Visitor for Walker<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        (self.look)(Node::Query(query, self.depth == 0));
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        (self.look)(Node::Select(select));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        (self.look)(Node::Expression(expr));
        ControlFlow::Continue(())
    }
}

fn place(at: Location) -> Option<Place> {
    let index = |n: u64| usize::try_from(n).ok().filter(|n| *n > 0);
    Some(Place { line: index(at.line)?, column: index(at.column)? })
}

/// Where something begins.
pub(super) fn start(of: &impl Spanned) -> Place {
    begin(of.span())
}

/// Where a span begins.
pub(super) fn begin(span: Span) -> Place {
    place(span.start).unwrap_or(Place::START)
}

/// The name of a function, in lower case.
pub(super) fn function_name(function: &ast::Function) -> String {
    let last = function.name.0.last().and_then(|part| part.as_ident());
    last.map(|ident| ident.value.to_lowercase()).unwrap_or_default()
}

/// The plain arguments of a function.
pub(super) fn arguments(function: &ast::Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let plain = |argument| match argument {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr))
        | &FunctionArg::Named { arg: FunctionArgExpr::Expr(ref expr), .. } => Some(expr),
        _ => None,
    };
    list.args.iter().filter_map(plain).collect()
}

/// The expression without parentheses and casts around it.
pub(super) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => bare(inner),
        other => other,
    }
}

/// The name of a column, without the table's.
pub(super) fn column_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Identifier(ident) => Some(&ident.value),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| ident.value.as_str()),
        _ => None,
    }
}

/// Every name and every text that an expression mentions, tables' names included.
pub(super) fn words(expr: &Expr) -> Vec<String> {
    struct Words(Vec<String>);
    impl Visitor for Words {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) => self.0.push(ident.value.to_lowercase()),
                Expr::CompoundIdentifier(parts) => {
                    let parts: Vec<&str> = parts.iter().map(|ident| ident.value.as_str()).collect();
                    self.0.push(parts.join("_").to_lowercase());
                }
                Expr::Value(value) => {
                    if let ast::Value::SingleQuotedString(text) = &value.value {
                        self.0.push(text.to_lowercase());
                    }
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut words = Words(Vec::new());
    let walked = expr.visit(&mut words);
    debug_assert!(walked.is_continue(), "the visitor never breaks");
    words.0
}

/// A column of a `select` and the name it gets.
pub(super) fn item(item: &SelectItem) -> Option<(&Expr, Option<&str>)> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some((expr, column_name(expr))),
        SelectItem::ExprWithAlias { expr, alias } => Some((expr, Some(&alias.value))),
        _ => None,
    }
}

/// Where the final `select` names a column; the last place where it names several of them so.
pub(super) fn output(statement: &Statement, name: &str) -> Option<Place> {
    let Statement::Statement(statement) = statement else { return None };
    match statement.as_ref() {
        ast::Statement::Query(query) => output_of(query, &[], name),
        _ => None,
    }
}

/// The same of one query, which sees the CTEs of those around it.
fn output_of(query: &Query, outer: &[&Cte], name: &str) -> Option<Place> {
    let own = query.with.iter().flat_map(|with| &with.cte_tables);
    let known: Vec<&Cte> = outer.iter().copied().chain(own).collect();
    let select = branches(&query.body).into_iter().next()?;
    if let ([SelectItem::Wildcard(_)], [from]) =
        (select.projection.as_slice(), select.from.as_slice())
        && let ast::TableFactor::Table { name: table, .. } = &from.relation
        && from.joins.is_empty()
    {
        // `select * from final`: the columns are named there.
        let at = known.iter().rposition(|cte| cte.alias.name.value == table.to_string())?;
        let (before, after) = known.split_at(at);
        return output_of(&after.first()?.query, before, name);
    }
    select.projection.iter().rev().find_map(|item| named(item, name))
}

/// Where an item gets that name.
fn named(item: &SelectItem, name: &str) -> Option<Place> {
    let ident = match item {
        SelectItem::ExprWithAlias { alias, .. } => alias,
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => ident,
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last()?,
        _ => return None,
    };
    (ident.value.eq_ignore_ascii_case(name)).then(|| place(ident.span.start))?
}

/// The `select`s that a set operation strings together, in order.
pub(super) fn branches(body: &SetExpr) -> Vec<&Select> {
    match body {
        SetExpr::Select(select) => vec![select],
        SetExpr::Query(query) => branches(&query.body),
        SetExpr::SetOperation { left, right, .. } => {
            let mut all = branches(left);
            all.extend(branches(right));
            all
        }
        _ => Vec::new(),
    }
}

/// Which expressions of the syntax a plan's expression may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A call of a function.
    Call,
    /// An operator between two operands.
    Operator,
    /// `in`, `between`, `case`.
    Other,
}

/// Where the expressions of a statement stand, to find one by the places of its columns.
pub(super) struct Syntax {
    spots: Vec<Spot>,
}

struct Spot {
    form: Form,
    name: String,
    from: Place,
    to: Place,
}

impl Syntax {
    pub(super) fn of(statement: &Statement) -> Self {
        let mut spots = Vec::new();
        walk(statement, &mut |node| {
            let Node::Expression(expr) = node else { return };
            let (form, name) = match expr {
                Expr::Function(function) => (Form::Call, function_name(function)),
                Expr::BinaryOp { .. } => (Form::Operator, String::new()),
                Expr::InList { .. } | Expr::Between { .. } | Expr::Case { .. } => {
                    (Form::Other, String::new())
                }
                _ => return,
            };
            let span = expr.span();
            if let (Some(from), Some(to)) = (place(span.start), place(span.end)) {
                spots.push(Spot { form, name, from, to });
            }
        });
        Self { spots }
    }

    /// Knows no expression: what is looked for is found by its first column.
    pub(super) fn none() -> Self {
        Self { spots: Vec::new() }
    }

    /// Where the smallest expression of that form begins that holds all columns of `expr`; the
    /// first of these columns when there is none. `name` is a function's, or empty for any.
    pub(super) fn place(&self, expr: &PlanExpr, form: Form, name: &str) -> Option<Place> {
        let mut columns: Vec<Place> = Vec::new();
        let walked = expr.apply(|part| {
            if let PlanExpr::Column(column) = part {
                columns.extend(column.spans.first().and_then(of_plan));
            }
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(walked.is_ok(), "the visitor never fails");
        let first = columns.iter().min().copied()?;
        let last = columns.iter().max().copied()?;
        let holds = |spot: &&Spot| {
            spot.form == form
                && (name.is_empty() || spot.name == name)
                && spot.from <= first
                && spot.to >= last
        };
        // The later it begins and the sooner it ends, the smaller it is.
        let smallest = self
            .spots
            .iter()
            .filter(holds)
            .max_by_key(|spot| (spot.from, std::cmp::Reverse(spot.to)));
        Some(smallest.map_or(first, |spot| spot.from))
    }
}

fn of_plan(span: PlanSpan) -> Option<Place> {
    let index = |n: u64| usize::try_from(n).ok().filter(|n| *n > 0);
    Some(Place { line: index(span.start.line)?, column: index(span.start.column)? })
}
