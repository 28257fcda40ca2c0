//! Joins: what a partner is found by, and so how often a row is repeated.

use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Join, Operator};

use super::dependencies::Attribute;
use super::relation::{Analysis, Relation};
use super::values::{columns_at, settle};

impl Analysis<'_> {
    pub(super) fn join(&mut self, join: &Join) -> Relation {
        let mut left = self.relation(&join.left);
        let mut right = self.relation(&join.right);
        let width = left.cells.len();
        let Ok(schema) = join.left.schema().join(join.right.schema()) else {
            return self.opaque("", &join.schema);
        };
        let mut both = Relation {
            cells: left.cells.iter().chain(&right.cells).cloned().collect(),
            rows: left.rows.iter().chain(&right.rows).copied().collect(),
            dependencies: std::mem::take(&mut left.dependencies),
            candidates: std::mem::take(&mut left.candidates),
            settled: std::mem::take(&mut left.settled),
        };
        both.dependencies.extend(std::mem::take(&mut right.dependencies));
        both.candidates.append(&mut right.candidates);
        both.settled.append(&mut right.settled);

        let on = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
        let filters = join.filter.iter().flat_map(|filter| split_conjunction(filter)).cloned();
        let conditions: Vec<Expr> = on.chain(filters).collect();
        let mut found = Found::default();
        for condition in &conditions {
            self.find(condition, &schema, width, &mut both, &mut found);
        }
        let closure = |by: &Side| both.dependencies.closure(by.found());
        let right_is_found = closure(&found.right).contains_all(&right.rows);
        let left_is_found = closure(&found.left).contains_all(&left.rows);
        if right_is_found {
            both.dependencies.add(found.left.given, right.rows.iter().copied());
        }
        if left_is_found {
            both.dependencies.add(found.right.given, left.rows.iter().copied());
        }
        match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => {
                both.cells = left.cells;
                both.rows = left.rows;
            }
            JoinType::RightSemi | JoinType::RightAnti => {
                both.cells = right.cells;
                both.rows = right.rows;
            }
            JoinType::Inner => {
                for condition in &conditions {
                    self.fix(condition, &schema, &mut both);
                    settle(condition, &schema, &mut both);
                }
            }
            _ => {}
        }
        both
    }

    /// What a condition of a join gives each side to find its row by.
    fn find(
        &mut self,
        condition: &Expr,
        schema: &DFSchema,
        width: usize,
        both: &mut Relation,
        found: &mut Found,
    ) {
        let side = |expr: &Expr| side_of(expr, schema, width);
        let all = columns_at(condition, schema);
        for at in all {
            if let Some(cell) = both.cells.get(at) {
                let of = if at < width { &mut found.left } else { &mut found.right };
                of.given.push(cell.attribute);
            }
        }
        let Relation { cells, dependencies, .. } = both;
        match condition {
            Expr::BinaryExpr(pair) => {
                let is_equal = matches!(pair.op, Operator::Eq | Operator::IsNotDistinctFrom);
                for (one, other, op) in [
                    (&pair.left, &pair.right, Some(pair.op)),
                    (&pair.right, &pair.left, pair.op.swap()),
                ] {
                    let of = match (side(one), side(other)) {
                        (Reads::Left, Reads::Right | Reads::Neither) => &mut found.left,
                        (Reads::Right, Reads::Left | Reads::Neither) => &mut found.right,
                        _ => continue,
                    };
                    let attribute = self.attribute(one, schema, cells, dependencies);
                    match op {
                        _ if is_equal => of.equal.push(attribute),
                        Some(Operator::Lt | Operator::LtEq) => of.lows.push(attribute),
                        Some(Operator::Gt | Operator::GtEq) => of.highs.push(attribute),
                        _ => {}
                    }
                }
            }
            Expr::Between(between) if !between.negated => {
                for (bound, is_low) in [(&between.low, true), (&between.high, false)] {
                    let of = match (side(bound), side(&between.expr)) {
                        (Reads::Left, Reads::Right) => &mut found.left,
                        (Reads::Right, Reads::Left) => &mut found.right,
                        _ => continue,
                    };
                    let attribute = self.attribute(bound, schema, cells, dependencies);
                    if is_low { of.lows.push(attribute) } else { of.highs.push(attribute) }
                }
            }
            Expr::IsNull(inner) => {
                let of = match side(inner) {
                    Reads::Left => &mut found.left,
                    Reads::Right => &mut found.right,
                    _ => return,
                };
                of.equal.push(self.attribute(inner, schema, cells, dependencies));
            }
            _ => {}
        }
    }
}

/// What the conditions of a join say of both sides.
#[derive(Debug, Default)]
struct Found {
    left: Side,
    right: Side,
}

/// One side of a join.
#[derive(Debug, Default)]
struct Side {
    /// Its columns in the conditions: by these the other side's row is found.
    given: Vec<Attribute>,
    /// What the other side fixes of it.
    equal: Vec<Attribute>,
    /// What lies below a value of the other side, and what above it.
    lows: Vec<Attribute>,
    highs: Vec<Attribute>,
}

impl Side {
    /// By which its row is found. Between two bounds there is one: periods do not overlap.
    fn found(&self) -> Vec<Attribute> {
        let mut found = self.equal.clone();
        if !self.lows.is_empty() && !self.highs.is_empty() {
            found.extend(&self.lows);
        }
        found
    }
}

/// Which side of a join an expression reads.
enum Reads {
    Neither,
    Left,
    Right,
    Both,
}

fn side_of(expr: &Expr, schema: &DFSchema, width: usize) -> Reads {
    let columns = columns_at(expr, schema);
    let left = columns.iter().any(|at| *at < width);
    let right = columns.iter().any(|at| *at >= width);
    match (left, right) {
        (false, false) => Reads::Neither,
        (true, false) => Reads::Left,
        (false, true) => Reads::Right,
        (true, true) => Reads::Both,
    }
}
