//! Whether columns name the rows of a plan: no two rows agree on all of them, null being equal to
//! null. Asked from the top down, since a union or a join can only be answered for given columns.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Distinct, Expr, Join, LogicalPlan, Operator, Window, WindowFunctionDefinition,
};

use super::columns::{as_column, facts, holds_filters, unaliased};
use super::{Trusted, blocking, shortest};
use crate::model::checks::rule::Test;
use crate::model::header::Severity;
use crate::model::references::Target;

/// Places of columns in the schema of a plan.
type Places = BTreeSet<usize>;

/// Whether no two rows of `plan` have the same values in `key`.
pub(super) fn unique(plan: &LogicalPlan, key: &Places, trusted: &Trusted<'_>) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let Target::Model(model) = Target::of(&scan.table_name) else { return false };
            let Some(header) = trusted.get(model.as_str()) else { return false };
            let known = facts(plan, trusted);
            // What is null is left out of a check for uniqueness, and could be there twice.
            let names = |columns: &[String]| {
                columns.iter().all(|column| {
                    let place = scan.projected_schema.index_of_column_by_name(None, column);
                    place.is_some_and(|place| {
                        key.contains(&place) && known.get(place).is_some_and(|f| f.never_null)
                    })
                })
            };
            let of_key = header.severity == Severity::Block && !header.key.is_empty();
            of_key && names(&header.key)
                || blocking(header).any(|test| match test {
                    Test::Unique(columns) => names(columns),
                    _ => false,
                })
        }
        LogicalPlan::Projection(projection) => {
            let schema = projection.input.schema();
            unique(&projection.input, &copies(&projection.expr, key, schema), trusted)
        }
        LogicalPlan::SubqueryAlias(alias) => unique(&alias.input, key, trusted),
        LogicalPlan::Sort(sort) => unique(&sort.input, key, trusted),
        LogicalPlan::Limit(limit) => unique(&limit.input, key, trusted),
        LogicalPlan::Repartition(repartition) => unique(&repartition.input, key, trusted),
        LogicalPlan::Filter(filter) => {
            let schema = filter.input.schema();
            let mut key = key.clone();
            if holds_filters(&filter.input) {
                key.extend(constants(&shortest(&filter.predicate, schema), schema));
            }
            unique(&filter.input, &key, trusted)
        }
        LogicalPlan::Window(window) => {
            let width = window.input.schema().fields().len();
            let below = key.iter().copied().filter(|place| *place < width).collect();
            numbered(window, key) || unique(&window.input, &below, trusted)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let sets = aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_)));
            !sets && (0..aggregate.group_expr.len()).all(|place| key.contains(&place))
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let width = input.schema().fields().len();
            (0..width).all(|place| key.contains(&place)) || unique(input, key, trusted)
        }
        LogicalPlan::Join(join) => of_join(join, key, trusted),
        LogicalPlan::Union(union) => {
            let each = || union.inputs.iter().all(|input| unique(input, key, trusted));
            told_apart(union.inputs.iter().map(AsRef::as_ref), key, trusted) && each()
        }
        LogicalPlan::EmptyRelation(_) => true, // one row at most
        _ => false,
    }
}

/// The places in what `exprs` read of those of `key` that are mere copies.
fn copies(exprs: &[Expr], key: &Places, schema: &DFSchema) -> Places {
    let chosen = key.iter().filter_map(|place| exprs.get(*place));
    let columns = chosen.filter_map(|expr| match unaliased(expr) {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        _ => None,
    });
    columns.collect()
}

/// Columns that a filter holds to one value.
fn constants(predicate: &Expr, schema: &DFSchema) -> Places {
    let parts = split_conjunction(predicate).into_iter();
    let columns = parts.filter_map(|part| match part {
        Expr::BinaryExpr(pair) if pair.op == Operator::Eq => {
            let ((column, Expr::Literal(..)) | (Expr::Literal(..), column)) =
                (pair.left.as_ref(), pair.right.as_ref())
            else {
                return None;
            };
            let place = schema.maybe_index_of_column(as_column(column, schema)?);
            place.filter(|place| is_exact(schema, *place))
        }
        _ => None,
    });
    columns.collect()
}

/// Whether values that compare as equal are one value; of floats 0 and -0 are two.
fn is_exact(schema: &DFSchema, place: usize) -> bool {
    schema.fields().get(place).is_some_and(|field| {
        let kind = field.data_type();
        kind.is_string()
            || kind.is_integer()
            || kind.is_decimal()
            || matches!(kind, DataType::Boolean | DataType::Date32 | DataType::Timestamp(..))
    })
}

/// Whether `key` holds a `row_number()` and all that it is counted by.
fn numbered(window: &Window, key: &Places) -> bool {
    let schema = window.input.schema();
    let width = schema.fields().len();
    window.window_expr.iter().enumerate().any(|(number, expr)| {
        let Expr::WindowFunction(call) = unaliased(expr) else { return false };
        let counts = matches!(
            &call.fun,
            WindowFunctionDefinition::WindowUDF(function) if function.name() == "row_number"
        );
        let by = call.params.partition_by.iter().all(|expr| match unaliased(expr) {
            Expr::Column(column) => {
                schema.maybe_index_of_column(column).is_some_and(|place| key.contains(&place))
            }
            _ => false,
        });
        counts && by && key.contains(&(width + number))
    })
}

/// Whether any two inputs of a union differ in a column of `key` that tells where a row is from.
fn told_apart<'a>(
    inputs: impl Iterator<Item = &'a LogicalPlan>,
    key: &Places,
    trusted: &Trusted<'_>,
) -> bool {
    let known: Vec<_> = inputs.map(|input| facts(input, trusted)).collect();
    known.iter().enumerate().all(|(number, a)| {
        known.iter().skip(number + 1).all(|b| {
            key.iter().any(|place| {
                let (Some(a), Some(b)) = (a.get(*place), b.get(*place)) else { return false };
                let apart = match (&a.values, &b.values) {
                    (Some(a), Some(b)) => a.is_disjoint(b),
                    _ => false,
                };
                apart && (a.never_null || b.never_null)
            })
        })
    })
}

fn of_join(join: &Join, key: &Places, trusted: &Trusted<'_>) -> bool {
    // What the right side is then depends on the row of the left.
    if !join.right.all_out_ref_exprs().is_empty() {
        return false;
    }
    let pairs = if holds_filters(&join.left) && holds_filters(&join.right) {
        pairs(join)
    } else {
        Vec::new()
    };
    let width = join.left.schema().fields().len();
    let of_left: Places = key.iter().copied().filter(|place| *place < width).collect();
    let of_right: Places =
        key.iter().filter(|place| **place >= width).map(|place| place - width).collect();
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => unique(&join.left, key, trusted),
        JoinType::RightSemi | JoinType::RightAnti => unique(&join.right, key, trusted),
        JoinType::LeftMark | JoinType::RightMark | JoinType::Full => false,
        JoinType::Inner => {
            let (mut of_left, mut of_right) = (of_left, of_right);
            for pair in &pairs {
                pair.follow(&mut of_left, &mut of_right);
            }
            let all_left = of_left.iter().copied().chain(pairs.iter().filter_map(Pair::left));
            let all_right = of_right.iter().copied().chain(pairs.iter().filter_map(Pair::right));
            unique(&join.left, &of_left, trusted)
                && unique(&join.right, &all_right.collect(), trusted)
                || unique(&join.right, &of_right, trusted)
                    && unique(&join.left, &all_left.collect(), trusted)
        }
        JoinType::Left => {
            let all_right = pairs.iter().filter_map(Pair::right);
            unique(&join.left, &of_left, trusted)
                && unique(&join.right, &of_right.into_iter().chain(all_right).collect(), trusted)
        }
        JoinType::Right => {
            let all_left = pairs.iter().filter_map(Pair::left);
            unique(&join.right, &of_right, trusted)
                && unique(&join.left, &of_left.into_iter().chain(all_left).collect(), trusted)
        }
    }
}

/// Two sides that a join makes equal.
struct Pair {
    left: Side,
    right: Side,
}

/// One side: the columns it is computed from, and whether it is a column itself.
struct Side {
    reads: Places,
    column: Option<usize>,
}

impl Pair {
    /// The column of the left that one row of the right decides.
    fn left(&self) -> Option<usize> {
        self.left.column
    }

    /// The column of the right that one row of the left decides.
    fn right(&self) -> Option<usize> {
        self.right.column
    }

    /// What is known of one side decides the other.
    fn follow(&self, of_left: &mut Places, of_right: &mut Places) {
        if self.left.reads.is_subset(of_left) {
            of_right.extend(self.right.column);
        }
        if self.right.reads.is_subset(of_right) {
            of_left.extend(self.left.column);
        }
    }
}

/// The equalities of a join, wherever the planner has left them.
fn pairs(join: &Join) -> Vec<Pair> {
    let (left, right) = (join.left.schema(), join.right.schema());
    let on = join.on.iter().map(|(a, b)| (a, b));
    let filters = join.filter.iter().flat_map(|filter| split_conjunction(filter));
    let equal = filters.filter_map(|part| match part {
        Expr::BinaryExpr(pair) if pair.op == Operator::Eq => {
            Some((pair.left.as_ref(), pair.right.as_ref()))
        }
        _ => None,
    });
    on.chain(equal)
        .filter_map(|(a, b)| {
            let straight = || Some(Pair { left: side(a, left)?, right: side(b, right)? });
            let crossed = || Some(Pair { left: side(b, left)?, right: side(a, right)? });
            straight().or_else(crossed)
        })
        .collect()
}

/// An expression over columns of `schema` alone that is decided by them.
fn side(expr: &Expr, schema: &DFSchema) -> Option<Side> {
    let reads: Option<Places> =
        expr.column_refs().into_iter().map(|column| schema.maybe_index_of_column(column)).collect();
    let reads = reads.filter(|reads| !reads.is_empty() && super::is_plain(expr))?;
    let column = match unaliased(expr) {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        _ => None,
    };
    Some(Side { column: column.filter(|place| is_exact(schema, *place)), reads })
}
