//! Checks that hold by the plan, whatever the rows are.
//!
//! Three things are known of a plan's columns: which are never null, which values they can hold,
//! and of which column of another model they are a copy; and of its rows, which columns name them.
//! Every rule here is one-sided: what is not understood is not proved, and is then looked at.
//! The types of the plan and of the table may differ; where that could matter nothing is proved.

mod columns;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, DataFusionError, ScalarValue};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;

use self::columns::{Fact, facts, holds_filters};
use super::literal;
use super::rule::{Accepted, Rule, Test};
use crate::model::header::{Header, Severity};
use crate::model::scope::Scope;

/// Most combinations of values that a condition is tried with.
const COMBINATIONS: usize = 64;

/// Headers of models whose whole tables were checked under them, by the models' names.
pub(crate) type Trusted<'a> = BTreeMap<&'a str, &'a Header>;

/// What the plan of a model's rows shows.
pub(crate) struct Proof<'a> {
    scope: &'a Scope,
    plan: &'a LogicalPlan,
    trusted: Trusted<'a>,
    facts: Vec<Fact>,
}

impl<'a> Proof<'a> {
    /// `plan` is exactly what computed the rows; `trusted` are those of the tables it reads whose
    /// promises can be built on.
    pub(crate) fn new(scope: &'a Scope, plan: &'a LogicalPlan, trusted: Trusted<'a>) -> Self {
        let facts = facts(plan, &trusted);
        Self { scope, plan, trusted, facts }
    }

    /// Whether `rule` holds for whatever rows the plan yields, stored with `schema`.
    pub(super) fn shows(&self, rule: &Rule, schema: &SchemaRef) -> bool {
        match &rule.test {
            Test::NotNull(columns) => columns
                .iter()
                .all(|column| self.fact(column).is_some_and(|(_, fact)| fact.never_null)),
            Test::Unique(columns) => {
                let places: Option<BTreeSet<usize>> = columns
                    .iter()
                    .map(|column| self.fact(column).map(|(place, _)| place))
                    .collect();
                places.is_some_and(|places| {
                    places.iter().all(|place| self.keeps_values(*place, schema))
                        && rows::unique(self.plan, &places, &self.trusted)
                })
            }
            Test::Accepted { column, values } => self.fact(column).is_some_and(|(place, fact)| {
                let known = fact.values.as_ref();
                self.keeps_values(place, schema)
                    && known.is_some_and(|known| known.iter().all(|v| values.contains(v)))
            }),
            Test::References { columns, model, targets } => {
                let [column] = columns.as_slice() else { return false };
                let [target] = targets.as_slice() else { return false };
                self.fact(column).is_some_and(|(place, fact)| {
                    self.keeps_values(place, schema)
                        && fact.copy_of.iter().any(|(m, c)| m == model && c == target)
                })
            }
            Test::Condition(text) => self.condition(text, schema).unwrap_or(false),
            Test::Rows { .. } | Test::Fresh { .. } | Test::Steady { .. } => false,
        }
    }

    fn fact(&self, column: &str) -> Option<(usize, &Fact)> {
        let place = self.plan.schema().index_of_column_by_name(None, column)?;
        Some((place, self.facts.get(place)?))
    }

    /// Whether different values of a column are stored as different values, and equal as equal.
    fn keeps_values(&self, place: usize, schema: &SchemaRef) -> bool {
        let Some(field) = self.plan.schema().fields().get(place) else { return false };
        let Ok(stored) = schema.field_with_name(field.name()) else { return false };
        let (given, stored) = (field.data_type(), stored.data_type());
        given == stored
            || (given.is_string() && stored.is_string())
            || (given.is_integer() && stored.is_integer())
    }

    /// Whether no row makes `text` false: none of the parts of a conjunction ever is.
    fn condition(&self, text: &str, schema: &SchemaRef) -> Result<bool, DataFusionError> {
        let state = self.scope.session().state();
        let stored = Arc::new(DFSchema::try_from(Arc::clone(schema))?);
        let given = state.create_logical_expr(text, &stored)?;
        let given = simplifier(&stored)?.coerce(given, &stored)?;
        for column in given.column_refs() {
            let planned = self.plan.schema().index_of_column_by_name(None, &column.name);
            let planned = planned.and_then(|place| self.plan.schema().fields().get(place));
            let stored = schema.field_with_name(&column.name)?;
            if planned.map(|field| field.data_type()) != Some(stored.data_type()) {
                return Ok(false);
            }
        }
        for part in split_conjunction(&given) {
            let held = is_plain(part)
                && (self.holds_for_values(part, &stored)? || self.holds_below(part)?);
            if !held {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the condition is true or null for all values that its columns can hold.
    fn holds_for_values(&self, part: &Expr, stored: &DFSchemaRef) -> Result<bool, DataFusionError> {
        let mut tries = vec![part.clone()];
        for column in part.column_refs() {
            let Some((_, fact)) = self.fact(&column.name) else { continue };
            let Some(values) = &fact.values else { continue };
            let kind = stored.field_with_unqualified_name(&column.name)?.data_type();
            let mut literals =
                values.iter().map(|v| typed(v, kind)).collect::<Result<Vec<_>, _>>()?;
            if !fact.never_null {
                literals.push(lit(ScalarValue::try_from(kind)?));
            }
            if literals.len() * tries.len() > COMBINATIONS {
                continue;
            }
            let mut more = Vec::with_capacity(literals.len() * tries.len());
            for expr in &tries {
                for value in &literals {
                    more.push(replaced(expr.clone(), |found| {
                        (found.name == column.name).then(|| value.clone())
                    })?);
                }
            }
            tries = more;
        }
        let simplifier = simplifier(stored)?;
        for expr in tries {
            if !never_false(&simplifier.simplify(expr)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the condition, written in the columns of what the model's last steps read, is one of
    /// their filters or always true.
    fn holds_below(&self, part: &Expr) -> Result<bool, DataFusionError> {
        let mut plan = self.plan;
        // Into the words of the plan: by place, with qualifiers.
        let mut wanted = replaced(part.clone(), |column| {
            let place = plan.schema().index_of_column_by_name(None, &column.name)?;
            Some(Expr::Column(Column::from(plan.schema().qualified_field(place))))
        })?;
        let mut filters: Vec<Expr> = Vec::new();
        loop {
            let below = match plan {
                LogicalPlan::Projection(projection) => {
                    let schema = &projection.schema;
                    let source = |column: &Column| {
                        let place = schema.maybe_index_of_column(column)?;
                        projection.expr.get(place).map(|expr| expr.clone().unalias())
                    };
                    wanted = replaced(wanted, source)?;
                    filters = filters
                        .into_iter()
                        .map(|f| replaced(f, source))
                        .collect::<Result<_, _>>()?;
                    &projection.input
                }
                LogicalPlan::SubqueryAlias(alias) => {
                    let source = |column: &Column| {
                        let place = alias.schema.maybe_index_of_column(column)?;
                        let field = alias.input.schema().qualified_field(place);
                        Some(Expr::Column(Column::from(field)))
                    };
                    wanted = replaced(wanted, source)?;
                    filters = filters
                        .into_iter()
                        .map(|f| replaced(f, source))
                        .collect::<Result<_, _>>()?;
                    &alias.input
                }
                LogicalPlan::Filter(filter) => {
                    if holds_filters(&filter.input) {
                        filters.extend(split_conjunction(&filter.predicate).into_iter().cloned());
                    }
                    &filter.input
                }
                LogicalPlan::Sort(sort) => &sort.input,
                _ => break,
            };
            plan = below;
        }
        if !is_plain(&wanted) {
            return Ok(false);
        }
        let schema = all_nullable(plan.schema())?;
        let simplifier = simplifier(&schema)?;
        let wanted = simplifier.simplify(wanted)?;
        if never_false(&wanted) {
            return Ok(true);
        }
        for filter in filters.into_iter().filter(is_plain) {
            let filter = simplifier.simplify(filter)?;
            if split_conjunction(&filter).contains(&&wanted) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a table's header promises, as far as it stops a build.
fn blocking(header: &Header) -> impl Iterator<Item = &Test> {
    header.checks.iter().filter_map(|rule| {
        let severity = rule.severity.unwrap_or(header.severity);
        (severity == Severity::Block && rule.filter.is_none()).then_some(&rule.test)
    })
}

fn simplifier(schema: &DFSchemaRef) -> Result<ExprSimplifier, DataFusionError> {
    let context = SimplifyContext::builder().with_schema(all_nullable(schema)?).build();
    Ok(ExprSimplifier::new(context))
}

/// A predicate in its shortest form, in which a column stands bare beside a literal.
fn shortest(predicate: &Expr, schema: &DFSchemaRef) -> Expr {
    let short = simplifier(schema).and_then(|simplifier| simplifier.simplify(predicate.clone()));
    short.unwrap_or_else(|_| predicate.clone())
}

/// What a plan says of nulls is not built on.
fn all_nullable(schema: &DFSchemaRef) -> Result<DFSchemaRef, DataFusionError> {
    let fields = schema.iter().map(|(qualifier, field)| {
        let field = field.as_ref().clone().with_nullable(true);
        (qualifier.cloned(), Arc::new(field))
    });
    DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone()).map(Arc::new)
}

/// Puts other expressions in place of columns.
fn replaced(expr: Expr, source: impl Fn(&Column) -> Option<Expr>) -> Result<Expr, DataFusionError> {
    let put = expr.transform_up(|expr| match &expr {
        Expr::Column(column) => Ok(source(column).map_or(Transformed::no(expr), Transformed::yes)),
        _ => Ok(Transformed::no(expr)),
    });
    put.map(|put| put.data)
}

/// Whether an expression is a function of its columns and of nothing else.
fn is_plain(expr: &Expr) -> bool {
    let mut plain = true;
    let walked = expr.apply(|expr| {
        plain &= match expr {
            Expr::ScalarFunction(call) => call.func.signature().volatility == Volatility::Immutable,
            Expr::Alias(_)
            | Expr::Column(_)
            | Expr::Literal(..)
            | Expr::BinaryExpr(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Not(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::InList(_) => true,
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    plain && walked.is_ok()
}

fn never_false(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Boolean(truth), _) => *truth != Some(false),
        Expr::Literal(value, _) => value.is_null(),
        _ => false,
    }
}

fn typed(value: &Accepted, kind: &DataType) -> Result<Expr, DataFusionError> {
    match literal(value) {
        Expr::Literal(value, metadata) => Ok(Expr::Literal(value.cast_to(kind)?, metadata)),
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests;
