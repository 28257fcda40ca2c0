//! What the page says of every table, as JSON.

use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::{DataType, Field};
use serde_json::{Value, json};
use warehouse::{
    Model,
    lineage::{Class, ColumnLineage, Edges, Lineage, TableLineage, type_name},
};

use super::{Facts, past::Checked, samples};
use crate::quantity::counted;

/// Raw tables and models, by layer and name.
pub(super) fn tables(facts: &Facts<'_>) -> Vec<Value> {
    let read: Vec<&str> =
        facts.lineage.models().flat_map(|table| table.inputs.iter().map(String::as_str)).collect();
    // A stream that no model reads is there all the same, but its table says nothing here.
    let mut tables: Vec<&TableLineage> = facts
        .lineage
        .tables()
        .filter(|table| facts.project.model(&table.name).is_some() || read.contains(&&*table.name))
        .collect();
    tables.sort_by(|a, b| (a.layer, &a.name).cmp(&(b.layer, &b.name)));
    let numbers: HashMap<&str, usize> =
        tables.iter().enumerate().map(|(number, table)| (table.name.as_str(), number)).collect();
    let comments: BTreeMap<&str, BTreeMap<String, String>> = facts
        .project
        .models()
        .map(|model| (model.name.as_str(), model.column_comments()))
        .collect();
    let contents = Contents { facts, numbers, comments };
    tables.into_iter().map(|table| contents.table(table)).collect()
}

struct Contents<'a> {
    facts: &'a Facts<'a>,
    /// Tables are named once and numbered after that.
    numbers: HashMap<&'a str, usize>,
    comments: BTreeMap<&'a str, BTreeMap<String, String>>,
}

impl Contents<'_> {
    fn table(&self, table: &TableLineage) -> Value {
        let columns = table.columns.iter().map(|column| self.column(table, column));
        let inputs = table.inputs.iter().filter_map(|input| self.numbers.get(input.as_str()));
        let mut value = json!({
            "name": table.name,
            "layer": table.layer.folder(),
            "columns": columns.collect::<Vec<_>>(),
            "inputs": inputs.collect::<Vec<_>>(),
            "rows": self.edges(&table.rows),
            "samples": samples::of(table),
        });
        if let (Some(model), Some(map)) =
            (self.facts.project.model(&table.name), value.as_object_mut())
        {
            let header = &model.header;
            let built = self.facts.past.built(&table.name).map(|built| {
                json!({
                    "at": built.finished_at, "rows": built.rows, "seconds": built.seconds,
                })
            });
            let more = json!({
                "description": model.description,
                "path": model.path,
                "kind": header.kind.as_str(),
                "key": header.key,
                "destination": header.destination,
                "object": header.object,
                "checks": self.checks(model),
                "built": built,
                "sql": model.text,
            });
            if let Value::Object(more) = more {
                map.extend(more);
            }
        }
        value
    }

    fn column(&self, table: &TableLineage, column: &ColumnLineage) -> Value {
        let mut value = json!({
            "name": column.name,
            "type": short(&column.data_type),
            "edges": self.edges(&column.edges),
        });
        let fields = fields(&column.data_type);
        if let Some(map) = value.as_object_mut() {
            if !fields.is_empty() {
                map.insert("fields".to_owned(), Value::Array(fields));
            }
            if let Some((text, from)) = self.description(self.facts.lineage, &table.name, column) {
                map.insert("about".to_owned(), text.into());
                if from != table.name {
                    map.insert("about_from".to_owned(), from.into());
                }
            }
        }
        value
    }

    /// What is said of a column, else of the one that it is nothing but a copy of; and where.
    fn description(
        &self,
        lineage: &Lineage,
        table: &str,
        column: &ColumnLineage,
    ) -> Option<(String, String)> {
        if let Some(text) = self.comments.get(table).and_then(|all| all.get(&column.name)) {
            return Some((text.clone(), table.to_owned()));
        }
        let mut edges = column.edges.iter();
        let (Some(edge), None) = (edges.next(), edges.next()) else { return None };
        let source = edge.source.column.as_deref().filter(|_| edge.source.path.is_empty())?;
        let origin = lineage.table(&edge.source.table)?;
        let is_same = edge.class == Class::Copy && origin.name != table;
        self.description(lineage, &origin.name, origin.column(source).filter(|_| is_same)?)
    }

    /// `[table, field, class]`, all but the field by number; rows have no field.
    fn edges(&self, edges: &Edges) -> Vec<Value> {
        let edge = |edge: &warehouse::lineage::Edge| {
            let table = self.numbers.get(&*edge.source.table)?;
            let field = edge.source.column.as_ref().map(|_| edge.source.field());
            let class = Class::ALL.iter().position(|class| *class == edge.class)?;
            Some(json!([table, field, class]))
        };
        edges.iter().filter_map(edge).collect()
    }

    /// The checks, each with how it ended last.
    fn checks(&self, model: &Model) -> Vec<Value> {
        let last = self.facts.past.checked(&model.name);
        let mut checks: Vec<(String, String)> = warehouse::declared_checks(model)
            .into_iter()
            .map(|(name, severity)| (name, severity.as_str().to_owned()))
            .collect();
        // What the engine checks of its own accord is told of after what was declared.
        for check in last {
            if !checks.iter().any(|(name, _)| *name == check.name) {
                checks.push((check.name.clone(), check.severity.clone()));
            }
        }
        let check = |(name, severity): &(String, String)| {
            let last: Option<&Checked> = last.iter().find(|check| check.name == *name);
            json!({
                "name": name,
                "severity": severity,
                "outcome": last.map(outcome),
                "at": last.map(|check| check.at.as_str()),
            })
        };
        checks.iter().map(check).collect()
    }
}

/// How a check ended: whether it holds, and a phrase of one cell.
fn outcome(check: &Checked) -> Value {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    let rows = counted(number(&check.of_rows), "row");
    let broken = || format!("{} of {rows}", number(&check.failed_rows));
    let (ending, says) = match check.status.as_str() {
        "passed" => ("passed", format!("holds, {rows}")),
        // No row was looked at, so none is counted.
        "proved" => ("proved", "proved from the plan".to_owned()),
        "warned" => ("warned", format!("warned: {}", broken())),
        other => ("failed", format!("{other}: {}", broken())),
    };
    json!({ "ending": ending, "says": says })
}

/// How all checks ended: whether they hold, and a phrase. `None` when none ran yet.
pub(super) fn last_checks(tables: &[Value]) -> Option<Value> {
    let checks = tables.iter().filter_map(|table| table.get("checks")?.as_array()).flatten();
    let endings: Vec<&str> =
        checks.filter_map(|check| check.get("outcome")?.get("ending")?.as_str()).collect();
    let count = |ending: &str| endings.iter().filter(|other| **other == ending).count();
    let (proved, warned, failed) = (count("proved"), count("warned"), count("failed"));
    let hold = endings.len() - warned - failed;
    let mut says = format!("{hold} hold");
    if proved > 0 {
        says = format!("{says} ({proved} proved)");
    }
    if warned > 0 {
        says = format!("{says}, {warned} warned");
    }
    if failed > 0 {
        says = format!("{says}, {failed} failed");
    }
    let ending = match (warned, failed) {
        (0, 0) => "passed",
        (_, 0) => "warned",
        _ => "failed",
    };
    (!endings.is_empty()).then(|| json!({ "ending": ending, "says": says }))
}

/// A type that fits a cell: what is nested is listed apart.
fn short(data_type: &DataType) -> String {
    match data_type {
        DataType::Struct(_) => "struct".to_owned(),
        DataType::List(element) => format!("list of {}", short(element.data_type())),
        other => type_name(other),
    }
}

/// The fields inside, flat: `shopMoney.amount`, `[].sku`.
fn fields(data_type: &DataType) -> Vec<Value> {
    let mut found = Vec::new();
    inside(data_type, "", &mut found);
    found
}

fn inside(data_type: &DataType, way: &str, found: &mut Vec<Value>) {
    let mut leaf = |way: String, inner: &DataType| match inner {
        DataType::Struct(_) | DataType::List(_) => inside(inner, &way, found),
        other => found.push(json!({ "name": way, "type": type_name(other) })),
    };
    match data_type {
        DataType::Struct(fields) => {
            for field in fields {
                let field: &Field = field;
                leaf(format!("{way}.{}", field.name()), field.data_type());
            }
        }
        DataType::List(element) => leaf(format!("{way}[]"), element.data_type()),
        _ => {}
    }
}
