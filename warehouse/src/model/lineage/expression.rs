//! Column lineage of one expression.
//!
//! What carries the value is a copy, a transform or an aggregate; what only chooses is a
//! condition. A subquery brings what decides about its own rows with it, since that decides its
//! value.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, ScalarValue};
use datafusion::logical_expr::expr::{ScalarFunction, Sort};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::super::normal;
use super::edge::{Class, Edge, Edges, Source, under};
use super::trace::{Relation, Traced, Tracer, digest, digest_of, inside};

impl Tracer {
    /// Where the value of `expression` comes from, its columns being those of `scopes`.
    pub(super) fn expression(&mut self, expression: &Expr, scopes: &[&Relation]) -> Traced {
        let own = std::mem::take(&mut self.subqueries);
        let edges = self.edges(expression, scopes);
        let subqueries = std::mem::replace(&mut self.subqueries, own);
        let digest = match bare(expression) {
            Expr::Column(column) => {
                found(column, scopes).map_or_else(|| digest_of(&column.name), |t| t.digest)
            }
            expression => {
                let text = self.text(expression, scopes);
                digest(&[&[digest_of(&text)], subqueries.as_slice()].concat())
            }
        };
        Traced { edges, digest }
    }

    fn edges(&mut self, expression: &Expr, scopes: &[&Relation]) -> Edges {
        match expression {
            Expr::Alias(alias) => self.edges(&alias.expr, scopes),
            Expr::Column(column) => {
                found(column, scopes).map_or_else(|| every(scopes), |traced| traced.edges.clone())
            }
            Expr::OuterReferenceColumn(_, column) => {
                self.outside(column).map_or_else(Edges::new, |traced| traced.edges.clone())
            }
            Expr::ScalarFunction(function) if function.name() == "get_field" => {
                self.field(function, scopes)
            }
            Expr::Case(case) => {
                let mut edges = Edges::new();
                let chosen = case.when_then_expr.iter().map(|(_, then)| then);
                for then in chosen.chain(&case.else_expr) {
                    edges.extend(under(&self.edges(then, scopes), Class::Transform));
                }
                let choosing = case.when_then_expr.iter().map(|(when, _)| when);
                for when in choosing.chain(&case.expr) {
                    edges.extend(under(&self.edges(when, scopes), Class::Condition));
                }
                edges
            }
            Expr::AggregateFunction(function) => {
                let params = &function.params;
                let filter = params.filter.as_deref();
                let mut edges = self.gathered(&params.args, filter, scopes);
                self.sorted(&params.order_by, Class::Sort, &mut edges, scopes);
                edges
            }
            Expr::WindowFunction(function) => {
                let params = &function.params;
                let filter = params.filter.as_deref();
                let mut edges = self.gathered(&params.args, filter, scopes);
                for key in &params.partition_by {
                    edges.extend(under(&self.edges(key, scopes), Class::Window));
                }
                self.sorted(&params.order_by, Class::Window, &mut edges, scopes);
                edges
            }
            Expr::ScalarSubquery(subquery) => {
                let (inner, rows) = self.subquery(&subquery.subquery, scopes);
                values(&inner).chain(rows).collect()
            }
            Expr::Exists(exists) => {
                let (inner, rows) = self.subquery(&exists.subquery.subquery, scopes);
                under(&rows, Class::Condition).chain(counted(&inner, Class::Condition)).collect()
            }
            Expr::InSubquery(within) => {
                self.compared(&within.expr, &within.subquery.subquery, scopes)
            }
            Expr::SetComparison(compared) => {
                self.compared(&compared.expr, &compared.subquery.subquery, scopes)
            }
            other => {
                // All that there is in it: operators, casts, functions, lambdas, and whatever comes.
                let mut edges = Edges::new();
                let walked = other.apply_children(|child| {
                    edges.extend(under(&self.edges(child, scopes), Class::Transform));
                    Ok(TreeNodeRecursion::Continue)
                });
                debug_assert!(walked.is_ok(), "the visitor never fails");
                edges
            }
        }
    }

    /// A column of what is around a correlated subquery, the nearest first.
    fn outside(&self, column: &Column) -> Option<&Traced> {
        let around: Vec<&Relation> = self.outer.iter().rev().map(AsRef::as_ref).collect();
        found(column, &around)
    }

    /// `get_field(value, 'a', 'b')`, which is how `value['a']['b']` is planned.
    fn field(&mut self, function: &ScalarFunction, scopes: &[&Relation]) -> Edges {
        let mut path: Vec<Arc<str>> = Vec::new();
        let mut edges = Edges::new();
        for name in function.args.iter().skip(1) {
            match name {
                Expr::Literal(ScalarValue::Utf8(Some(name)), _) => path.push(name.as_str().into()),
                other => edges.extend(under(&self.edges(other, scopes), Class::Transform)),
            }
        }
        let is_named = path.len() + 1 == function.args.len();
        if let Some(value) = function.args.first() {
            let value = Traced { edges: self.edges(value, scopes), digest: 0 };
            if is_named {
                edges.extend(inside(&value, &path).edges);
            } else {
                edges.extend(under(&value.edges, Class::Transform));
            }
        }
        edges
    }

    /// What is gathered from many rows; without a column to gather, the rows are counted.
    fn gathered(&mut self, values: &[Expr], filter: Option<&Expr>, scopes: &[&Relation]) -> Edges {
        let mut edges = Edges::new();
        for value in values {
            edges.extend(under(&self.edges(value, scopes), Class::Aggregate));
        }
        if edges.is_empty() {
            edges.extend(scopes.iter().flat_map(|scope| counted(scope, Class::Aggregate)));
        }
        if let Some(filter) = filter {
            edges.extend(under(&self.edges(filter, scopes), Class::Condition));
        }
        edges
    }

    fn sorted(&mut self, keys: &[Sort], class: Class, edges: &mut Edges, scopes: &[&Relation]) {
        for key in keys {
            edges.extend(under(&self.edges(&key.expr, scopes), class));
        }
    }

    fn compared(&mut self, value: &Expr, within: &LogicalPlan, scopes: &[&Relation]) -> Edges {
        let mut edges: Edges = under(&self.edges(value, scopes), Class::Transform).collect();
        let (inner, rows) = self.subquery(within, scopes);
        let inner: Edges = values(&inner).collect();
        edges.extend(under(&inner, Class::Transform));
        edges.extend(under(&rows, Class::Condition));
        edges
    }

    /// A subquery's relation, and what decides about its rows, which is not what decides about
    /// those around it.
    fn subquery(&mut self, plan: &LogicalPlan, scopes: &[&Relation]) -> (Relation, Edges) {
        let rows = std::mem::take(&mut self.rows);
        let rows_digest = std::mem::take(&mut self.rows_digest);
        self.outer.extend(scopes.iter().map(|scope| Arc::new((*scope).clone())));
        let inner = self.relation(plan);
        self.outer.truncate(self.outer.len().saturating_sub(scopes.len()));
        let inner_rows = std::mem::replace(&mut self.rows, rows);
        let own = std::mem::replace(&mut self.rows_digest, rows_digest);
        let columns = inner.columns.iter().map(|column| column.digest);
        let parts: Vec<u64> = std::iter::once(own).chain(columns).collect();
        self.subqueries.push(digest(&parts));
        (inner, inner_rows)
    }

    /// The expression with the digest of what a column is in the place of its name.
    pub(super) fn text(&self, expression: &Expr, scopes: &[&Relation]) -> String {
        let named = |traced: Option<&Traced>| {
            let digest = traced.map_or(0, |traced| traced.digest);
            Column::new_unqualified(format!("{digest:016x}"))
        };
        let changed = expression.clone().transform_down(|part| {
            Ok::<_, DataFusionError>(match part {
                Expr::Alias(alias) => Transformed::yes(bare(&alias.expr).clone()),
                other => Transformed::no(other),
            })
        });
        let changed = changed.and_then(|changed| {
            changed.data.transform_up(|part| {
                Ok(match part {
                    Expr::Column(column) => {
                        Transformed::yes(Expr::Column(named(found(&column, scopes))))
                    }
                    Expr::OuterReferenceColumn(field, column) => {
                        let column = named(self.outside(&column));
                        Transformed::yes(Expr::OuterReferenceColumn(field, column))
                    }
                    other => Transformed::no(other),
                })
            })
        });
        let written = changed.and_then(|changed| normal::written(&changed.data));
        written.unwrap_or_else(|_| expression.to_string())
    }
}

/// The column by its whole name, else by its last part.
fn found<'a>(column: &Column, scopes: &[&'a Relation]) -> Option<&'a Traced> {
    let at = |scope: &'a Relation, index: Option<usize>| scope.columns.get(index?);
    let exact = scopes.iter().find_map(|s| at(s, s.schema.maybe_index_of_column(column)));
    let by_name =
        || scopes.iter().find_map(|s| at(s, s.schema.index_of_column_by_name(None, &column.name)));
    exact.or_else(by_name)
}

fn bare(expression: &Expr) -> &Expr {
    match expression {
        Expr::Alias(alias) => bare(&alias.expr),
        other => other,
    }
}

fn values(relation: &Relation) -> impl Iterator<Item = Edge> {
    relation.columns.iter().flat_map(|column| column.edges.iter().cloned())
}

/// The rows of the tables that a relation is made of.
fn counted(relation: &Relation, class: Class) -> impl Iterator<Item = Edge> {
    relation.tables.iter().map(move |table| Edge { source: Source::rows(table), class })
}

/// A column that nobody has may be any.
fn every(scopes: &[&Relation]) -> Edges {
    let all: Edges = scopes.iter().flat_map(|scope| values(scope)).collect();
    under(&all, Class::Transform).collect()
}
