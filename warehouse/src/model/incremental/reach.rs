//! How far a filter on key columns can be moved down a plan, towards the tables.
//!
//! The one hard fact: rows of the result with key k depend on no other rows of a table than those
//! with key k exactly when "key is k" may be filtered at the table instead of at the result. So a
//! filter is moved down node by node, by rules that hold for every content of the tables, and
//! where it arrives the table is *reached*. The key is a tuple of expressions; on the way down each
//! column is replaced by what it is computed from, so `split_part(id, '/', -1) as order_id` reaches
//! a table that has only `id`.
//!
//! The other side of a join that the key does not reach is reached by what the join compares: a
//! *hop*. From changed rows there follow changed values of that, from those the rows of the near
//! side that have them, and from these their keys. What neither reaches is a dimension: a change
//! of it can change any row.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Unnest,
    Window,
};

use super::keys::{Keep, wanted};

/// Of how many equal ways to write a key one is tried.
const MOST_VARIANTS: usize = 32;

/// A tuple of expressions over the columns of one node.
pub(crate) type Keys = Vec<Expr>;

/// How a key reaches the tables of a plan.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// The tables by name.
    pub(crate) tables: BTreeMap<String, Reached>,
    /// The ways on to tables that are not among them, or not only.
    pub(crate) hops: Vec<Hop>,
}

/// What became of one table of a plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reached {
    /// For every place where it is read and reached: the key over its own columns.
    pub(crate) keys: Vec<Keys>,
    /// It is read somewhere where the filter does not arrive.
    pub(crate) is_dimension: bool,
}

/// From one side of a join to the other.
#[derive(Debug)]
pub(crate) struct Hop {
    /// The side that the key reaches.
    pub(crate) near: LogicalPlan,
    /// The key over that side's columns.
    pub(crate) key: Keys,
    /// What the join compares, over that side's columns.
    pub(crate) on: Keys,
    /// How what the join compares reaches the tables of the other side.
    pub(crate) far: Reach,
}

/// A plan that yields the wanted rows only.
pub(crate) struct Narrowed {
    pub(crate) plan: LogicalPlan,
    /// What must be run before the plan, in this order.
    pub(crate) fills: Vec<Fill>,
}

/// A set of keys that the narrowed plan filters by: all rows of a plan.
pub(crate) struct Fill {
    pub(crate) keep: Arc<Keep>,
    pub(crate) plan: LogicalPlan,
}

/// How the columns `key` of a plan's result reach its tables.
pub(crate) fn reach(plan: &LogicalPlan, key: &[String]) -> Result<Reach, DataFusionError> {
    let mut walk = Walk::default();
    walk.descend(plan.clone(), Some(columns(plan, key)?))?;
    Ok(walk.reach)
}

/// The plan for the rows of which the key is one of `keep`.
pub(crate) fn narrow(
    plan: &LogicalPlan,
    key: &[String],
    keep: &Arc<Keep>,
) -> Result<Narrowed, DataFusionError> {
    narrow_by(plan, &columns(plan, key)?, keep, false)
}

/// Like [`narrow`], by expressions. With `strict` no null is wanted, as where a join compares.
pub(crate) fn narrow_by(
    plan: &LogicalPlan,
    key: &Keys,
    keep: &Arc<Keep>,
    strict: bool,
) -> Result<Narrowed, DataFusionError> {
    let mut walk = Walk { keep: Some(Arc::clone(keep)), strict, ..Walk::default() };
    let narrowed = walk.descend(plan.clone(), Some(key.clone()))?;
    let mut filter = wanted(keep, key);
    if strict {
        filter = key.iter().fold(filter, |filter, part| filter.and(part.clone().is_not_null()));
    }
    let plan = LogicalPlanBuilder::from(narrowed).filter(filter)?.build()?;
    Ok(Narrowed { plan, fills: walk.fills })
}

fn columns(plan: &LogicalPlan, key: &[String]) -> Result<Keys, DataFusionError> {
    let schema = plan.schema();
    let missing = |name: &str| {
        DataFusionError::Plan(format!("there is no column `{name}` to tell rows apart by"))
    };
    key.iter()
        .map(|name| schema.index_of_column_by_name(None, name).ok_or_else(|| missing(name)))
        .map(|index| Ok(Expr::Column(Column::from(schema.qualified_field(index?)))))
        .collect()
}

#[derive(Default)]
struct Walk {
    /// The filter to put where the key arrives; none to look only.
    keep: Option<Arc<Keep>>,
    /// Rows whose key is null are not wanted.
    strict: bool,
    reach: Reach,
    fills: Vec<Fill>,
}

impl Walk {
    fn descend(
        &mut self,
        plan: LogicalPlan,
        keys: Option<Keys>,
    ) -> Result<LogicalPlan, DataFusionError> {
        // What an expression reads on the side is read whole.
        plan.apply_expressions(|expression| {
            expression.apply(|node| {
                match node {
                    Expr::ScalarSubquery(query) => self.whole(&query.subquery)?,
                    Expr::Exists(exists) => self.whole(&exists.subquery.subquery)?,
                    Expr::InSubquery(within) => self.whole(&within.subquery.subquery)?,
                    Expr::SetComparison(compared) => self.whole(&compared.subquery.subquery)?,
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        match (plan, keys) {
            (LogicalPlan::TableScan(scan), keys) => {
                let table = self.reach.tables.entry(scan.table_name.to_string()).or_default();
                let plan = LogicalPlan::TableScan(scan);
                let Some(keys) = keys else {
                    table.is_dimension = true;
                    return Ok(plan);
                };
                if !table.keys.contains(&keys) {
                    table.keys.push(keys.clone());
                }
                match &self.keep {
                    Some(keep) => {
                        LogicalPlanBuilder::from(plan).filter(wanted(keep, &keys))?.build()
                    }
                    None => Ok(plan),
                }
            }
            (LogicalPlan::Join(join), Some(keys)) => self.join(join, &keys),
            (plan, keys) => {
                let mut below = match &keys {
                    Some(keys) => children(&plan, keys),
                    None => Vec::new(),
                }
                .into_iter();
                let moved = plan.map_children(|child| {
                    let keys = below.next().flatten();
                    self.descend(child, keys).map(Transformed::yes)
                })?;
                Ok(moved.data)
            }
        }
    }

    fn whole(&mut self, plan: &LogicalPlan) -> Result<(), DataFusionError> {
        self.descend(plan.clone(), None).map(drop)
    }

    /// A side that the key does not reach is hopped to, if the other one is reached.
    fn join(&mut self, join: Join, keys: &Keys) -> Result<LogicalPlan, DataFusionError> {
        let mut sides = below_join(&join, keys, self.strict).into_iter();
        let (left_keys, right_keys) = (sides.next().flatten(), sides.next().flatten());
        let equal = equalities(&join);
        let (on_left, on_right): (Keys, Keys) = equal.into_iter().unzip();
        let takes = |far: &[JoinType]| !join.null_aware && far.contains(&join.join_type);
        let to_right = takes(&[
            JoinType::Inner,
            JoinType::Left,
            JoinType::LeftSemi,
            JoinType::LeftAnti,
            JoinType::LeftMark,
        ]);
        let to_left = takes(&[
            JoinType::Inner,
            JoinType::Right,
            JoinType::RightSemi,
            JoinType::RightAnti,
            JoinType::RightMark,
        ]) || (self.strict && join.join_type == JoinType::Left);
        let near = |plan: &LogicalPlan, key: Keys, on: &Keys| Hop {
            near: plan.clone(),
            key,
            on: on.clone(),
            far: Reach::default(),
        };
        let (left, right) = (join.left.as_ref().clone(), join.right.as_ref().clone());
        let (left, right) = match (left_keys, right_keys) {
            (Some(keys), None) if to_right && !on_left.is_empty() => {
                let hop = near(&left, keys.clone(), &on_left);
                let left = self.descend(left, Some(keys))?;
                let right = self.hop(hop, &left, right, on_right)?;
                (left, right)
            }
            (None, Some(keys)) if to_left && !on_right.is_empty() => {
                let hop = near(&right, keys.clone(), &on_right);
                let right = self.descend(right, Some(keys))?;
                let left = self.hop(hop, &right, left, on_left)?;
                (left, right)
            }
            (left_keys, right_keys) => {
                (self.descend(left, left_keys)?, self.descend(right, right_keys)?)
            }
        };
        Ok(LogicalPlan::Join(Join { left: Arc::new(left), right: Arc::new(right), ..join }))
    }

    /// The far side of a join, narrowed to what the narrowed near side compares it with.
    fn hop(
        &mut self,
        mut hop: Hop,
        near: &LogicalPlan,
        far: LogicalPlan,
        on_far: Keys,
    ) -> Result<LogicalPlan, DataFusionError> {
        let keep = self.keep.as_ref().map(|_| Arc::new(Keep::default()));
        // Null equals nothing, so it brings no row of the far side.
        let mut walk = Self { keep: keep.clone(), strict: true, ..Self::default() };
        let far = walk.descend(far, Some(on_far))?;
        hop.far = walk.reach;
        if let Some(keep) = keep {
            let named = hop.on.iter().enumerate();
            let named = named.map(|(n, part)| part.clone().alias(format!("on_{n}")));
            let plan = LogicalPlanBuilder::from(near.clone()).project(named)?.build()?;
            self.fills.push(Fill { keep, plan });
            self.fills.extend(walk.fills);
        }
        self.reach.hops.push(hop);
        Ok(far)
    }
}

/// The key over each child of `plan`, `None` for a child that the filter cannot be moved to.
fn children(plan: &LogicalPlan, keys: &Keys) -> Vec<Option<Keys>> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let outputs = outputs(&projection.schema, projection.expr.iter());
            vec![substituted(keys, &outputs)]
        }
        LogicalPlan::SubqueryAlias(alias) => {
            vec![substituted(keys, &by_position(&alias.schema, alias.input.schema()))]
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Distinct(Distinct::All(_)) => vec![Some(keys.clone())],
        LogicalPlan::Sort(sort) => vec![sort.fetch.is_none().then(|| keys.clone())],
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            let outputs = outputs(&distinct.schema, distinct.select_expr.iter());
            let below = substituted(keys, &outputs);
            vec![below.filter(|keys| keys.iter().all(|key| made_of(key, &distinct.on_expr)))]
        }
        LogicalPlan::Aggregate(aggregate) => vec![below_aggregate(aggregate, keys)],
        LogicalPlan::Window(window) => vec![below_window(window, keys)],
        LogicalPlan::Union(union) => union
            .inputs
            .iter()
            .map(|input| substituted(keys, &by_position(&union.schema, input.schema())))
            .collect(),
        LogicalPlan::Unnest(unnest) => vec![below_unnest(unnest, keys)],
        // A limit picks rows by what else is there; what is not known here may do anything.
        _ => Vec::new(),
    }
}

/// Groups are told apart by the group expressions and by nothing else.
fn below_aggregate(aggregate: &Aggregate, keys: &Keys) -> Option<Keys> {
    if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
        return None;
    }
    substituted(keys, &outputs(&aggregate.schema, aggregate.group_expr.iter()))
}

/// A window sees the rows of its partition; the key must be one for all of them.
fn below_window(window: &Window, keys: &Keys) -> Option<Keys> {
    let apart = window.window_expr.iter().all(|expr| match expr.clone().unalias() {
        Expr::WindowFunction(function) => {
            let WindowFunction { params, .. } = *function;
            keys.iter().all(|key| made_of(key, &params.partition_by))
        }
        _ => false,
    });
    let known = keys.iter().all(|key| is_over(key, window.input.schema()));
    (apart && known).then(|| keys.clone())
}

/// Columns that are not unfolded are repeated for every row that comes of theirs.
fn below_unnest(unnest: &Unnest, keys: &Keys) -> Option<Keys> {
    let input = unnest.input.schema();
    let unfolded = |index: &usize| {
        unnest.list_type_columns.iter().any(|(column, _)| column == index)
            || unnest.struct_type_columns.contains(index)
    };
    let outputs = unnest
        .schema
        .iter()
        .zip(&unnest.dependency_indices)
        .filter(|(_, index)| !unfolded(index))
        .map(|(field, index)| {
            let below = Expr::Column(Column::from(input.qualified_field(*index)));
            (Column::from(field), below)
        });
    substituted(keys, &outputs.collect())
}

/// A filter on one side's columns may go to that side unless the join makes nulls of them; to the
/// other side it may go in the words of the columns that are equal there.
fn below_join(join: &Join, keys: &Keys, strict: bool) -> Vec<Option<Keys>> {
    let (left, right) = (join.left.schema().as_ref(), join.right.schema().as_ref());
    let equal = equalities(join);
    let (on_left, on_right) = (same_in(&join.left), same_in(&join.right));
    let to_right = |key: &Expr| {
        let mut ways = variants(key, &on_left).into_iter();
        ways.find_map(|key| translated(&key, equal.iter().map(|(l, r)| (l, r)), right))
    };
    let to_left = |key: &Expr| {
        let mut ways = variants(key, &on_right).into_iter();
        ways.find_map(|key| translated(&key, equal.iter().map(|(l, r)| (r, l)), left))
    };
    let all = |over: &DFSchema| keys.iter().all(|key| is_over(key, over));
    let every = |to: &dyn Fn(&Expr) -> Option<Expr>| keys.iter().map(to).collect::<Option<Keys>>();
    // Of two columns that are equal where both are there, the first that is there.
    let merged = || -> Vec<Option<Keys>> {
        let pairs = keys.iter().map(|key| first_there(key, &equal)).collect::<Option<Vec<_>>>();
        match pairs {
            Some(pairs) => {
                let (of_left, of_right): (Keys, Keys) = pairs.into_iter().unzip();
                vec![Some(of_left), Some(of_right)]
            }
            None => vec![None, None],
        }
    };
    match join.join_type {
        JoinType::Inner => vec![every(&to_left), every(&to_right)],
        // A row that found no match has null there, which is not wanted; an expression may make
        // something of the null.
        JoinType::Left if strict && all(right) && keys.iter().any(is_column) => {
            vec![every(&to_left), Some(keys.clone())]
        }
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            if all(left) {
                // With nulls that count, any row of the other side may take all rows away.
                let other = if join.null_aware { None } else { every(&to_right) };
                return vec![Some(keys.clone()), other];
            }
            if join.join_type == JoinType::Left { merged() } else { Vec::new() }
        }
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            if all(right) {
                let other = if join.null_aware { None } else { every(&to_left) };
                return vec![other, Some(keys.clone())];
            }
            if join.join_type == JoinType::Right { merged() } else { Vec::new() }
        }
        JoinType::Full => merged(),
    }
}

/// Pairs that are equal in every matched row: an expression of the left side, one of the right.
fn equalities(join: &Join) -> Vec<(Expr, Expr)> {
    let (left, right) = (join.left.schema(), join.right.schema());
    let filters = join.filter.iter().flat_map(|filter| split_conjunction(filter));
    let filters = filters.filter_map(|filter| match filter {
        Expr::BinaryExpr(pair) if pair.op == Operator::Eq => {
            Some(((*pair.left).clone(), (*pair.right).clone()))
        }
        _ => None,
    });
    let pairs = join.on.iter().cloned().chain(filters);
    pairs
        .filter_map(|(a, b)| {
            if is_over(&a, left) && is_over(&b, right) {
                Some((a, b))
            } else if is_over(&b, left) && is_over(&a, right) {
                Some((b, a))
            } else {
                None
            }
        })
        .collect()
}

/// Pairs that are equal in every row of a plan, because a join or a filter in it says so.
fn same_in(plan: &LogicalPlan) -> Vec<(Expr, Expr)> {
    match plan {
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::Inner => {
                let below = same_in(&join.left).into_iter().chain(same_in(&join.right));
                equalities(join).into_iter().chain(below).collect()
            }
            // The columns of the other side are null where nothing matched.
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => same_in(&join.left),
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => same_in(&join.right),
            JoinType::Full | JoinType::LeftMark | JoinType::RightMark => Vec::new(),
        },
        LogicalPlan::Filter(filter) => {
            let said = split_conjunction(&filter.predicate).into_iter();
            let said = said.filter_map(|said| match said {
                Expr::BinaryExpr(pair) if pair.op == Operator::Eq => {
                    Some(((*pair.left).clone(), (*pair.right).clone()))
                }
                _ => None,
            });
            said.chain(same_in(&filter.input)).collect()
        }
        _ => Vec::new(),
    }
}

/// A key and what it may be written as instead; itself first.
fn variants(key: &Expr, same: &[(Expr, Expr)]) -> Vec<Expr> {
    let mut found = vec![key.clone()];
    let mut at = 0;
    while let Some(one) = found.get(at).cloned() {
        at += 1;
        for (from, to) in same.iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
            if let Some(other) = replaced(&one, std::iter::once((from, to)))
                && found.len() < MOST_VARIANTS
                && !found.contains(&other)
            {
                found.push(other);
            }
        }
    }
    found
}

/// `coalesce(a, b)` of two columns that the join makes equal: null only where both sides are.
fn first_there(key: &Expr, equal: &[(Expr, Expr)]) -> Option<(Expr, Expr)> {
    let Expr::ScalarFunction(call) = key else { return None };
    let [a, b] = call.args.as_slice() else { return None };
    if call.func.name() != "coalesce" {
        return None;
    }
    let pair = equal.iter().find(|(l, r)| (l == a && r == b) || (l == b && r == a))?;
    Some(pair.clone())
}

/// `key` in the words of one side, by pairs of equals.
fn translated<'e>(
    key: &Expr,
    equal: impl Iterator<Item = (&'e Expr, &'e Expr)> + Clone,
    side: &DFSchema,
) -> Option<Expr> {
    if is_over(key, side) {
        return Some(key.clone());
    }
    replaced(key, equal).filter(|key| is_over(key, side))
}

/// `key` with every left of a pair replaced by its right.
fn replaced<'e>(
    key: &Expr,
    equal: impl Iterator<Item = (&'e Expr, &'e Expr)> + Clone,
) -> Option<Expr> {
    let replaced =
        key.clone().transform_down(|node| match equal.clone().find(|(from, _)| **from == node) {
            Some((_, to)) => Ok(Transformed::new(to.clone(), true, TreeNodeRecursion::Jump)),
            None => Ok(Transformed::no(node)),
        });
    replaced.ok().map(|replaced| replaced.data)
}

/// The columns of `schema` and what each is computed from, where it is an expression of a row.
fn outputs<'e>(
    schema: &DFSchema,
    expressions: impl Iterator<Item = &'e Expr>,
) -> HashMap<Column, Expr> {
    schema
        .iter()
        .zip(expressions)
        .map(|(field, expr)| (Column::from(field), expr.clone().unalias_nested().data))
        .filter(|(_, expr)| is_of_a_row(expr))
        .collect()
}

fn by_position(above: &DFSchema, below: &DFSchema) -> HashMap<Column, Expr> {
    let below = below.iter().map(|field| Expr::Column(Column::from(field)));
    above.iter().map(Column::from).zip(below).collect()
}

/// `keys` with every column replaced; `None` when one has nothing to be replaced by.
fn substituted(keys: &Keys, outputs: &HashMap<Column, Expr>) -> Option<Keys> {
    let replace = |key: &Expr| {
        let mut known = true;
        let replaced = key.clone().transform_down(|node| {
            let Expr::Column(column) = &node else { return Ok(Transformed::no(node)) };
            let Some(below) = outputs.get(column) else {
                known = false;
                return Ok(Transformed::no(node));
            };
            Ok(Transformed::new(below.clone(), true, TreeNodeRecursion::Jump))
        });
        replaced.ok().map(|replaced| replaced.data).filter(|_| known)
    };
    keys.iter().map(replace).collect()
}

/// Whether `key` is computed from the given expressions and from nothing else.
fn made_of(key: &Expr, given: &[Expr]) -> bool {
    let mut made = true;
    let walked = key.apply(|node| {
        if given.contains(node) {
            return Ok(TreeNodeRecursion::Jump);
        }
        made &= !matches!(node, Expr::Column(_));
        Ok(TreeNodeRecursion::Continue)
    });
    made && walked.is_ok()
}

fn is_column(key: &Expr) -> bool {
    matches!(key, Expr::Column(_))
}

/// Whether all columns of `key` are columns of `schema`.
fn is_over(key: &Expr, schema: &DFSchema) -> bool {
    key.column_refs().iter().all(|column| schema.has_column(column))
}

/// Whether an expression is a function of one row: the same every time, reading nothing else.
fn is_of_a_row(expr: &Expr) -> bool {
    let mut plain = !expr.is_volatile();
    let walked = expr.apply(|node| {
        plain &= !matches!(
            node,
            Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
                | Expr::Unnest(_)
                | Expr::GroupingSet(_)
        );
        Ok(TreeNodeRecursion::Continue)
    });
    plain && walked.is_ok()
}

#[cfg(test)]
mod tests;
