//! What a plan says of each of its columns, from the tables up.

use std::collections::BTreeSet;

use datafusion::common::tree_node::TreeNode as _;
use datafusion::common::{Column, DFSchema, JoinType, NullEquality, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, Case, Distinct, Expr, ExprSchemable as _, Join, LogicalPlan, Operator,
    WindowFunctionDefinition,
};

use super::{Trusted, blocking, shortest};
use crate::model::checks::rule::{Accepted, Test};
use crate::model::header::Severity;
use crate::model::references::Target;

/// What is known of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) never_null: bool,
    /// All that it can hold beside null.
    pub(super) values: Option<BTreeSet<Accepted>>,
    /// Model and column whose values these are, or null.
    pub(super) copy_of: BTreeSet<(String, String)>,
}

/// One fact a column; nothing known where the plan is not understood.
pub(super) fn facts(plan: &LogicalPlan, trusted: &Trusted<'_>) -> Vec<Fact> {
    let known = match plan {
        LogicalPlan::TableScan(scan) => {
            let target = Target::of(&scan.table_name);
            let fields = scan.projected_schema.fields().iter();
            match target {
                Target::Model(model) => {
                    fields.map(|field| of_table(&model, field.name(), trusted)).collect()
                }
                _ => Vec::new(),
            }
        }
        LogicalPlan::Projection(projection) => {
            let input = facts(&projection.input, trusted);
            let known = Known { schema: projection.input.schema(), facts: &input };
            projection.expr.iter().map(|expr| known.fact(expr)).collect()
        }
        LogicalPlan::SubqueryAlias(alias) => facts(&alias.input, trusted),
        LogicalPlan::Sort(sort) => facts(&sort.input, trusted),
        LogicalPlan::Limit(limit) => facts(&limit.input, trusted),
        LogicalPlan::Repartition(repartition) => facts(&repartition.input, trusted),
        LogicalPlan::Distinct(Distinct::All(input)) => facts(input, trusted),
        LogicalPlan::Filter(filter) => {
            let mut known = facts(&filter.input, trusted);
            if holds_filters(&filter.input) {
                let schema = filter.input.schema();
                narrow(&mut known, schema, &shortest(&filter.predicate, schema));
            }
            known
        }
        LogicalPlan::Window(window) => {
            let mut known = facts(&window.input, trusted);
            known.extend(
                window
                    .window_expr
                    .iter()
                    .map(|expr| Fact { never_null: counts_rows(expr), ..Fact::default() }),
            );
            known
        }
        LogicalPlan::Aggregate(aggregate) => of_groups(aggregate, trusted),
        LogicalPlan::Join(join) => of_join(join, trusted),
        LogicalPlan::Union(union) => {
            let mut inputs = union.inputs.iter().map(|input| facts(input, trusted));
            let first = inputs.next().unwrap_or_default();
            inputs.fold(first, |all, more| {
                all.into_iter().zip(more).map(|(a, b)| either(a, b)).collect()
            })
        }
        LogicalPlan::Unnest(unnest) => {
            let input = facts(&unnest.input, trusted);
            let lists = unnest.list_type_columns.iter().map(|(place, _)| *place);
            let apart: BTreeSet<usize> =
                lists.chain(unnest.struct_type_columns.iter().copied()).collect();
            let places = unnest.dependency_indices.iter();
            let fact = |place: &usize| input.get(*place).filter(|_| !apart.contains(place));
            places.map(|place| fact(place).cloned().unwrap_or_default()).collect()
        }
        _ => Vec::new(),
    };
    let width = plan.schema().fields().len();
    if known.len() == width { known } else { vec![Fact::default(); width] }
}

fn of_table(model: &str, column: &str, trusted: &Trusted<'_>) -> Fact {
    let mut fact = Fact {
        copy_of: BTreeSet::from([(model.to_owned(), column.to_owned())]),
        ..Fact::default()
    };
    let Some(header) = trusted.get(model) else { return fact };
    let named = |columns: &[String]| columns.iter().any(|other| other == column);
    if header.severity == Severity::Block {
        fact.never_null = named(&header.key) || named(&header.not_null);
    }
    for test in blocking(header) {
        match test {
            Test::NotNull(columns) => fact.never_null |= named(columns),
            Test::Accepted { column: other, values } if other == column => {
                fact.values = Some(values.iter().cloned().collect());
            }
            _ => {}
        }
    }
    fact
}

/// What holds of rows that come from one or the other.
fn either(a: Fact, b: Fact) -> Fact {
    Fact {
        never_null: a.never_null && b.never_null,
        values: a.values.zip(b.values).map(|(a, b)| a.union(&b).cloned().collect()),
        copy_of: a.copy_of.intersection(&b.copy_of).cloned().collect(),
    }
}

fn of_groups(aggregate: &Aggregate, trusted: &Trusted<'_>) -> Vec<Fact> {
    if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
        return Vec::new();
    }
    let input = facts(&aggregate.input, trusted);
    let known = Known { schema: aggregate.input.schema(), facts: &input };
    // Without a group there is a row also for no rows.
    let filled = !aggregate.group_expr.is_empty();
    let groups = aggregate.group_expr.iter().map(|expr| known.fact(expr));
    groups
        .chain(aggregate.aggr_expr.iter().map(|expr| of_aggregate(expr, &known, filled)))
        .collect()
}

fn of_aggregate(expr: &Expr, known: &Known<'_>, filled: bool) -> Fact {
    let Expr::AggregateFunction(call) = unaliased(expr) else { return Fact::default() };
    let filled = filled && call.params.filter.is_none();
    let [argument] = call.params.args.as_slice() else { return Fact::default() };
    match call.func.name() {
        "count" => Fact { never_null: true, ..Fact::default() },
        "min" | "max" => {
            let fact = known.fact(argument);
            Fact { never_null: fact.never_null && filled, ..fact }
        }
        "sum" | "bool_and" | "bool_or" => {
            Fact { never_null: filled && known.fact(argument).never_null, ..Fact::default() }
        }
        _ => Fact::default(),
    }
}

fn of_join(join: &Join, trusted: &Trusted<'_>) -> Vec<Fact> {
    if !join.right.all_out_ref_exprs().is_empty() {
        return Vec::new();
    }
    let open = |fact: Fact| Fact { never_null: false, ..fact };
    let left = facts(&join.left, trusted);
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => return left,
        JoinType::RightSemi | JoinType::RightAnti => return facts(&join.right, trusted),
        JoinType::LeftMark | JoinType::RightMark => return Vec::new(),
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {}
    }
    let right = facts(&join.right, trusted);
    let lonely_left = matches!(join.join_type, JoinType::Left | JoinType::Full);
    let lonely_right = matches!(join.join_type, JoinType::Right | JoinType::Full);
    let left = left.into_iter().map(|fact| if lonely_right { open(fact) } else { fact });
    let right = right.into_iter().map(|fact| if lonely_left { open(fact) } else { fact });
    let mut known: Vec<Fact> = left.chain(right).collect();
    if join.join_type == JoinType::Inner && holds_filters(&join.left) && holds_filters(&join.right)
    {
        if join.null_equality == NullEquality::NullEqualsNothing {
            let mut named = BTreeSet::new();
            for (a, b) in &join.on {
                needed(a, &mut named);
                needed(b, &mut named);
            }
            mark(&mut known, &join.schema, &named);
        }
        if let Some(filter) = &join.filter {
            narrow(&mut known, &join.schema, &shortest(filter, &join.schema));
        }
    }
    known
}

/// Whether a window function yields a number for every row.
fn counts_rows(expr: &Expr) -> bool {
    let Expr::WindowFunction(call) = unaliased(expr) else { return false };
    match &call.fun {
        WindowFunctionDefinition::AggregateUDF(function) => function.name() == "count",
        WindowFunctionDefinition::WindowUDF(function) => {
            ["row_number", "rank", "dense_rank"].contains(&function.name())
        }
    }
}

/// Whether what comes out of a filter over `plan` has passed it.
///
/// DataFusion 55 moves a condition that it finds to be never true below an aggregate without
/// groups, which yields a row for no rows: `select * from (select max(a) as a from t) where a = 1
/// and a = 2` has a row.
pub(super) fn holds_filters(plan: &LogicalPlan) -> bool {
    let ungrouped = |plan: &LogicalPlan| match plan {
        LogicalPlan::Aggregate(aggregate) => {
            let mut groups = aggregate.group_expr.iter();
            aggregate.group_expr.is_empty() || groups.any(|e| matches!(e, Expr::GroupingSet(_)))
        }
        _ => false,
    };
    !plan.exists(|plan| Ok(ungrouped(plan))).unwrap_or(true)
}

/// The column that an expression is, whole numbers of another width included.
pub(super) fn as_column<'a>(expr: &'a Expr, schema: &DFSchema) -> Option<&'a Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => as_column(&alias.expr, schema),
        Expr::Cast(cast) if cast.field.data_type().is_integer() => {
            let given = cast.expr.get_type(schema).ok()?;
            given.is_integer().then(|| as_column(&cast.expr, schema)).flatten()
        }
        _ => None,
    }
}

pub(super) fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// What is known where an expression is computed.
struct Known<'a> {
    schema: &'a DFSchema,
    facts: &'a [Fact],
}

impl Known<'_> {
    fn fact(&self, expr: &Expr) -> Fact {
        match expr {
            Expr::Column(column) => self.of_column(column).cloned().unwrap_or_default(),
            Expr::Alias(alias) => self.fact(&alias.expr),
            _ => Fact {
                never_null: self.never_null(expr),
                values: self.values(expr),
                copy_of: BTreeSet::new(),
            },
        }
    }

    fn of_column(&self, column: &Column) -> Option<&Fact> {
        self.facts.get(self.schema.maybe_index_of_column(column)?)
    }

    fn never_null(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(column) => self.of_column(column).is_some_and(|fact| fact.never_null),
            Expr::Literal(value, _) => !value.is_null(),
            Expr::Alias(alias) => self.never_null(&alias.expr),
            // A cast that fails is an error, not a null.
            Expr::Cast(cast) => self.never_null(&cast.expr),
            Expr::Not(inner) | Expr::Negative(inner) => self.never_null(inner),
            Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_) => true,
            Expr::BinaryExpr(pair) => {
                let distinct =
                    matches!(pair.op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom);
                let both = || self.never_null(&pair.left) && self.never_null(&pair.right);
                distinct || (is_strict(pair.op) || is_logical(pair.op)) && both()
            }
            Expr::Like(like) => self.never_null(&like.expr) && self.never_null(&like.pattern),
            Expr::Between(between) => {
                [&between.expr, &between.low, &between.high].into_iter().all(|e| self.never_null(e))
            }
            Expr::InList(list) => {
                self.never_null(&list.expr) && list.list.iter().all(|e| self.never_null(e))
            }
            Expr::Case(case) => {
                case.else_expr.is_some() && results(case).all(|result| self.never_null(result))
            }
            Expr::ScalarFunction(call) => match call.func.name() {
                "coalesce" => call.args.iter().any(|argument| self.never_null(argument)),
                "lower" | "upper" | "btrim" | "abs" | "character_length" | "concat" => {
                    call.args.iter().all(|argument| self.never_null(argument))
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn values(&self, expr: &Expr) -> Option<BTreeSet<Accepted>> {
        let all = |mut parts: Box<dyn Iterator<Item = &Expr> + '_>| {
            parts.try_fold(BTreeSet::new(), |mut all, part| {
                all.extend(self.values(part)?);
                Some(all)
            })
        };
        match expr {
            Expr::Column(column) => self.of_column(column)?.values.clone(),
            Expr::Alias(alias) => self.values(&alias.expr),
            Expr::Literal(value, _) if value.is_null() => Some(BTreeSet::new()),
            Expr::Literal(value, _) => accepted(value).map(|value| BTreeSet::from([value])),
            Expr::Cast(cast) => {
                let given = cast.expr.get_type(self.schema).ok()?;
                let to = cast.field.data_type();
                let same = given.is_null()
                    || (given.is_string() && to.is_string())
                    || (given.is_integer() && to.is_integer());
                if same { self.values(&cast.expr) } else { None }
            }
            Expr::Case(case) => all(Box::new(results(case))),
            Expr::ScalarFunction(call) => match (call.func.name(), call.args.first()) {
                ("coalesce", _) => all(Box::new(call.args.iter())),
                ("nullif", Some(first)) => self.values(first),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What a case can yield; null beside it when there is no else.
fn results(case: &Case) -> impl Iterator<Item = &Expr> {
    let then = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
    then.chain(case.else_expr.as_deref())
}

fn accepted(value: &ScalarValue) -> Option<Accepted> {
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => Some(Accepted::Text(text.clone())),
        ScalarValue::Boolean(Some(truth)) => Some(Accepted::Boolean(*truth)),
        ScalarValue::Int8(Some(number)) => Some(Accepted::Integer(i64::from(*number))),
        ScalarValue::Int16(Some(number)) => Some(Accepted::Integer(i64::from(*number))),
        ScalarValue::Int32(Some(number)) => Some(Accepted::Integer(i64::from(*number))),
        ScalarValue::Int64(Some(number)) => Some(Accepted::Integer(*number)),
        _ => None,
    }
}

/// Operators whose result is null as soon as one side is.
fn is_strict(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::Plus
            | Operator::Minus
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo
            | Operator::StringConcat
    )
}

fn is_logical(op: Operator) -> bool {
    matches!(op, Operator::And | Operator::Or)
}

/// What is known beside of rows for which `condition` is true.
fn narrow(known: &mut [Fact], schema: &DFSchema, condition: &Expr) {
    for part in split_conjunction(condition) {
        let mut named = BTreeSet::new();
        needed_for_truth(part, &mut named);
        mark(known, schema, &named);
        let (column, values) = match part {
            Expr::BinaryExpr(pair) if pair.op == Operator::Eq => {
                let ((column, Expr::Literal(value, _)) | (Expr::Literal(value, _), column)) =
                    (pair.left.as_ref(), pair.right.as_ref())
                else {
                    continue;
                };
                let Some(column) = as_column(column, schema) else { continue };
                (column, accepted(value).map(|value| BTreeSet::from([value])))
            }
            Expr::InList(list) if !list.negated => {
                let Some(column) = as_column(&list.expr, schema) else { continue };
                let values = list.list.iter().map(|value| match value {
                    Expr::Literal(value, _) => accepted(value),
                    _ => None,
                });
                (column, values.collect())
            }
            _ => continue,
        };
        let fact = schema.maybe_index_of_column(column).and_then(|place| known.get_mut(place));
        if let (Some(fact), Some(values)) = (fact, values) {
            let before = fact.values.take();
            fact.values = Some(match before {
                Some(before) => before.intersection(&values).cloned().collect(),
                None => values,
            });
        }
    }
}

fn mark(known: &mut [Fact], schema: &DFSchema, columns: &BTreeSet<Column>) {
    for column in columns {
        let place = schema.maybe_index_of_column(column);
        if let Some(fact) = place.and_then(|place| known.get_mut(place)) {
            fact.never_null = true;
        }
    }
}

/// Columns that are not null wherever `condition` is true.
fn needed_for_truth(condition: &Expr, columns: &mut BTreeSet<Column>) {
    match condition {
        Expr::BinaryExpr(pair) if pair.op == Operator::And => {
            needed_for_truth(&pair.left, columns);
            needed_for_truth(&pair.right, columns);
        }
        Expr::IsNotNull(inner) | Expr::Not(inner) => needed(inner, columns),
        Expr::IsTrue(inner)
        | Expr::Alias(datafusion::logical_expr::expr::Alias { expr: inner, .. }) => {
            needed_for_truth(inner, columns);
        }
        Expr::InList(list) => needed(&list.expr, columns),
        Expr::Like(like) => {
            needed(&like.expr, columns);
            needed(&like.pattern, columns);
        }
        Expr::Between(between) if !between.negated => needed(&between.expr, columns),
        other => needed(other, columns),
    }
}

/// Columns that are not null wherever `expr` is not.
fn needed(expr: &Expr, columns: &mut BTreeSet<Column>) {
    match expr {
        Expr::Column(column) => {
            columns.insert(column.clone());
        }
        Expr::Alias(alias) => needed(&alias.expr, columns),
        Expr::Cast(cast) => needed(&cast.expr, columns),
        Expr::Not(inner) | Expr::Negative(inner) => needed(inner, columns),
        Expr::BinaryExpr(pair) if is_strict(pair.op) => {
            needed(&pair.left, columns);
            needed(&pair.right, columns);
        }
        _ => {}
    }
}
