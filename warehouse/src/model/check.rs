//! One model against declared schemas: what it reads, the columns it yields, its header.
//!
//! The order of models is that of `planning`; what plans and is wrong all the same is in `lint`.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlan, Operator};

use super::checks;
use super::complaint::explain;
use super::definition::Model;
use super::finding::{Finding, Names, Place, code, did_you_mean};
use super::graph;
use super::header::{IS_CURRENT, Kind, VALID_FROM, VALID_TO, place_of_value_in};
use super::lint;
use super::project::Project;
use super::references::{Target, lower_first};
use super::scope::Scope;
use crate::functions::AMOUNT;
use crate::table::{Layer, TableName, stored_schema};
use crate::{Error, Result};

const RATE: DataType = DataType::Decimal128(18, 8);
/// What to do about two columns of one name.
pub(super) const ONCE: &str = "name each column once";

/// Names that nobody has, and layers that must not be read.
pub(super) fn references(
    project: &Project,
    model: &Model,
    known: &Names<'_>,
    findings: &mut Vec<Finding>,
) {
    for reference in &model.references {
        let name = reference.target.name();
        let mut add = |code, message: String, hint| {
            findings.push(reference.place.finding(code, &model.path, message, hint));
        };
        let layer = match &reference.target {
            Target::Model(name) => {
                if project.is_broken(name) {
                    continue; // the cause is reported at its file
                }
                let Some(read) = project.model(name) else {
                    let hint = known.did_you_mean(name);
                    // A model is never meant to read itself.
                    let own = format!("`{}`", model.name);
                    let hint = hint.filter(|hint| !hint.contains(&own));
                    add(code::TABLE, format!("no model is called `{name}`"), hint);
                    continue;
                };
                read.layer
            }
            Target::Raw(name) => {
                if !known.contains(name) {
                    let hint = known.did_you_mean(name);
                    add(code::TABLE, format!("no stream lands in `{name}`"), hint);
                }
                Layer::Raw
            }
            Target::Ops(_) => Layer::Ops,
            Target::Other(name) => {
                let hint = Some("raw tables are `raw.<source>.<stream>`".to_owned());
                add(code::TABLE, format!("there is no table `{name}`"), hint);
                continue;
            }
        };
        if let Some(rule) = graph::forbidden(model.layer, &reference.target, layer) {
            let message = format!("`{}` must not read `{name}`", model.name);
            add(code::LAYER, message, Some(rule.to_owned()));
        }
    }
}

/// The contract of a model's columns. `None` when they cannot be stored.
pub(crate) fn outputs(
    scope: &Scope,
    model: &Model,
    plan: &LogicalPlan,
    findings: &mut Vec<Finding>,
) -> Option<SchemaRef> {
    let given = plan.schema().as_arrow();
    let nameless = names::look(model, given, findings);
    let mut seen = BTreeSet::new();
    for field in given.fields() {
        let name = field.name();
        // Its type is that of an expression which is still to be named.
        if nameless.contains(name.as_str()) {
            seen.insert(name);
            continue;
        }
        let mut add = |code, message: String, hint: &str| {
            let place = lint::place_of_column(model, name);
            findings.push(place.finding(code, &model.path, message, Some(hint.to_owned())));
        };
        if !seen.insert(name) {
            add(code::TYPE, format!("two columns are called `{name}`"), ONCE);
        }
        if model.header.kind == Kind::Scd2 && [VALID_FROM, VALID_TO, IS_CURRENT].contains(&&**name)
        {
            let message = format!("`{name}` is a column that every `scd2` model gets");
            add(code::TYPE, message, "give it another name");
        }
        let data_type = field.data_type();
        // `has_amount` and `has_no_rate` are questions, and `shipping_rate` may be one's name.
        let is_question = *data_type == DataType::Boolean;
        let amount = !is_question && (name.ends_with("_amount") || name.contains("_amount_"));
        let rate = !is_question && !data_type.is_string() && name.ends_with("_rate");
        if data_type.is_floating() && (amount || rate) {
            let message = format!("`{name}` is {}: money is never a float", words(data_type));
            add(code::FLOAT, message, "find the float in that expression; decimals stay decimals");
        } else if amount && *data_type != AMOUNT {
            let message = format!("`{name}` is {}, expected decimal(18, 4)", words(data_type));
            add(code::AMOUNT, message, "cast it in the final select");
        } else if rate && *data_type != RATE {
            let message = format!("`{name}` is {}, expected decimal(18, 8)", words(data_type));
            add(code::RATE, message, "cast it in the final select");
        } else if data_type.is_decimal() && *data_type != AMOUNT && *data_type != RATE {
            let message = format!(
                "`{name}` is {}, expected decimal(18, 4) or decimal(18, 8)",
                words(data_type)
            );
            add(code::DECIMAL, message, "cast it in the final select");
        }
    }
    joins(model, plan, findings);
    let schema = match stored_schema(&model.name, given) {
        Ok(schema) => schema,
        Err(error) => {
            let place = match &error {
                Error::Column { column, .. } => {
                    let name = column.split('.').next().unwrap_or(column);
                    lint::place_of_column(model, name)
                }
                _ => Place::START,
            };
            let message = lower_first(&error.to_string());
            findings.push(place.finding(code::TYPE, &model.path, message, None));
            return None;
        }
    };
    if seen.len() < given.fields().len() || !nameless.is_empty() {
        return None;
    }
    header_columns(scope, model, &schema, findings);
    findings.extend(lint::of_columns(model, &schema));
    Some(table_schema(model, &schema))
}

/// The columns of a model's table: those of its select, and what its kind adds.
pub(super) fn table_schema(model: &Model, schema: &SchemaRef) -> SchemaRef {
    if model.header.kind != Kind::Scd2 {
        return Arc::clone(schema);
    }
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let own = [(VALID_FROM, time.clone()), (VALID_TO, time), (IS_CURRENT, DataType::Boolean)];
    let own = own.map(|(name, data_type)| Arc::new(Field::new(name, data_type, true)));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain(own).collect::<Vec<_>>()))
}

fn header_columns(scope: &Scope, model: &Model, schema: &SchemaRef, findings: &mut Vec<Finding>) {
    let header = &model.header;
    let updated_at: Vec<String> = header.updated_at.iter().cloned().collect();
    let dated_by: Vec<String> = header.dated_by.iter().cloned().collect();
    let lists = [
        ("key", &header.key),
        ("changed_by", &header.changed_by),
        ("updated_at", &updated_at),
        ("dated_by", &dated_by),
        ("not_null", &header.not_null),
        ("partition_by", &header.partition_by),
        ("sort_by", &header.sort_by),
    ];
    for (list, columns) in lists {
        for column in columns.iter().filter(|column| schema.index_of(column).is_err()) {
            let place = place_of_value_in(&model.text, list, column);
            let message = format!("`{list}` names `{column}`, which is no column of the model");
            let hint = did_you_mean(column, schema.fields().iter().map(|f| f.name().as_str()));
            findings.push(place.finding(code::HEADER_COLUMN, &model.path, message, hint));
        }
    }
    let times = [
        (
            "updated_at",
            &header.updated_at,
            "name a timestamp or a date, or let the run's time count",
        ),
        ("dated_by", &header.dated_by, "name the day of the order, or its moment"),
    ];
    for (list, column, hint) in times {
        let Some(column) = column else { continue };
        let Ok(field) = schema.field_with_name(column) else { continue };
        let data_type = field.data_type();
        if !matches!(data_type, DataType::Timestamp(..) | DataType::Date32) {
            let place = place_of_value_in(&model.text, list, column);
            let message = format!("`{list}` names `{column}`, which is {}", words(data_type));
            findings.push(place.finding(
                code::MISMATCH,
                &model.path,
                message,
                Some(hint.to_owned()),
            ));
        }
    }
    checks::fit_together(scope, model, schema, findings);
}

/// Whether `check` is a condition over the columns of `schema`.
pub(crate) fn condition(
    state: &SessionState,
    check: &str,
    schema: &SchemaRef,
) -> Result<(), (String, Option<String>)> {
    let failed = |error: DataFusionError| {
        let spot = explain(check, &error);
        (spot.message, spot.hint)
    };
    let columns = DFSchema::try_from(Arc::clone(schema)).map_err(failed)?;
    let expression = state.create_logical_expr(check, &columns).map_err(failed)?;
    // The physical form is where types are checked.
    let physical = state.create_physical_expr(expression.clone(), &columns).map_err(failed)?;
    let given = physical.data_type(schema).or_else(|_| expression.get_type(&columns));
    match given.map_err(failed)? {
        DataType::Boolean => Ok(()),
        other => Err((format!("it is {}, not true or false", words(&other)), None)),
    }
}

/// Whether a plan has no row when none of its tables has: nothing in it makes a row from none.
pub(super) fn yields_nothing(plan: &LogicalPlan) -> bool {
    let mut nothing = true;
    let walked = plan.apply_with_subqueries(|node| {
        nothing &= match node {
            LogicalPlan::Aggregate(aggregate) => {
                !aggregate.group_expr.is_empty()
                    && !aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_)))
            }
            LogicalPlan::EmptyRelation(empty) => !empty.produce_one_row,
            LogicalPlan::Values(_) | LogicalPlan::Extension(_) => false,
            // Table functions make rows too, and are known by their brackets.
            LogicalPlan::TableScan(scan) => !scan.table_name.table().ends_with(')'),
            _ => true,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    walked.is_ok() && nothing
}

/// Joins that a sort-merge join cannot do, which the engine only says when it runs.
fn joins(model: &Model, plan: &LogicalPlan, findings: &mut Vec<Finding>) {
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node {
            // The optimiser moves equalities from the filter to `on` later.
            let on = join.on.iter().map(|(left, _)| left);
            let filters = join.filter.iter().flat_map(|filter| split_conjunction(filter));
            let equal = filters.filter_map(|filter| match filter {
                Expr::BinaryExpr(pair) if pair.op == Operator::Eq => Some(pair.left.as_ref()),
                _ => None,
            });
            for left in on.chain(equal) {
                let kind = left.get_type(join.schema.as_ref());
                if matches!(kind, Ok(DataType::Timestamp(_, Some(_)))) {
                    let message = format!("a join on `{left}`, a timestamp with a zone");
                    let hint = Some("join on `cast(.. as bigint)`, its microseconds".to_owned());
                    let column = left.column_refs().iter().next().map(|c| c.name.clone());
                    let place = column
                        .and_then(|name| Place::of_word(&model.text, &name))
                        .unwrap_or(Place::START);
                    let code = code::JOIN_ON_TIMESTAMP;
                    findings.push(place.finding(code, &model.path, message, hint));
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    debug_assert!(walked.is_ok(), "the visitor never fails");
}

/// A type in the words of SQL.
pub(crate) fn words(data_type: &DataType) -> String {
    match data_type {
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => format!("decimal({p}, {s})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Int64 | DataType::UInt64 => "bigint".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp in UTC".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

/// The last place of a word outside comments: where a column is named in the final select.
pub(crate) fn last_word(text: &str, word: &str) -> Option<Place> {
    let mut found = None;
    for (number, line) in text.lines().enumerate() {
        let code = line.split("--").next().unwrap_or(line);
        if let Some(place) = Place::of_words(code, word).last() {
            found = Some(Place { line: number + 1, column: place.column });
        }
    }
    found
}

/// `raw.<source>.<stream>` names as tables; others are no raw tables.
pub(crate) fn raw_name(name: &str) -> Result<TableName> {
    name.parse()
}

mod names;
#[cfg(test)]
mod tests;
