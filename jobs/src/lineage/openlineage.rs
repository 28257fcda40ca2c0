//! Lineage as OpenLineage events: a `JobEvent` a model, since this is how models are written and
//! not how one run went.
//!
//! Columns are in the facet `columnLineage` 1-2-0: `fields` says what a value comes from, `dataset`
//! what decides about rows. Datasets are named by where their tables lie, as OpenLineage wants it,
//! so that events of Spark or Trino about the same table meet these.
//!
//! Spec: <https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet>

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use url::Url;
use warehouse::{
    TableName,
    lineage::{Class, Edge, Edges, Lineage, Source, TableLineage},
};

use super::Question;

const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent";
const COLUMN_LINEAGE: &str = "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet";
const SCHEMA: &str =
    "https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet";
const DOCUMENTATION: &str = "https://openlineage.io/spec/facets/1-1-0/DocumentationJobFacet.json#/$defs/DocumentationJobFacet";
const PRODUCER: &str = concat!("urn:inkhouse:", env!("CARGO_PKG_VERSION"));

/// The events of all models that the question leads to, in order.
pub fn events(question: &Question<'_>, warehouse: &Url, at: DateTime<Utc>) -> Vec<Value> {
    let walk = question.walk();
    let reached: BTreeSet<&str> = walk.nodes.keys().map(warehouse::lineage::Node::table).collect();
    let models = question.lineage.models().filter(|table| reached.contains(table.name.as_str()));
    let place = Place { url: warehouse, question };
    models.map(|table| place.event(table, at)).collect()
}

struct Place<'a> {
    url: &'a Url,
    question: &'a Question<'a>,
}

impl Place<'_> {
    fn event(&self, table: &TableLineage, at: DateTime<Utc>) -> Value {
        let model = self.question.project.model(&table.name);
        let (namespace, name) = self.dataset(&table.name);
        let inputs = table.inputs.iter().map(|input| {
            let (namespace, name) = self.dataset(input);
            json!({ "namespace": namespace, "name": name, "facets": self.schema(input) })
        });
        let fields = table.columns.iter().map(|column| {
            let inputs = self.inputs(&column.edges);
            (column.name.clone(), json!({ "inputFields": inputs }))
        });
        let mut facets = self.schema(&table.name);
        let mut lineage = facet(COLUMN_LINEAGE);
        lineage.insert("fields".to_owned(), Value::Object(fields.collect()));
        lineage.insert("dataset".to_owned(), Value::Array(self.inputs(&table.rows)));
        facets.insert("columnLineage".to_owned(), Value::Object(lineage));
        let mut about = facet(DOCUMENTATION);
        let description = model.map(|model| model.description.as_str()).unwrap_or_default();
        about.insert("description".to_owned(), description.into());
        json!({
            "eventTime": at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "producer": PRODUCER,
            "schemaURL": EVENT,
            "job": {
                "namespace": "inkhouse",
                "name": table.name,
                "facets": { "documentation": about },
            },
            "inputs": inputs.collect::<Vec<_>>(),
            "outputs": [{ "namespace": namespace, "name": name, "facets": facets }],
        })
    }

    fn schema(&self, table: &str) -> Map<String, Value> {
        let columns = self.lineage().table(table).map(|table| table.columns.as_slice());
        let fields = columns.unwrap_or_default().iter();
        let fields: Vec<Value> =
            fields.map(|column| field(&column.name, &column.data_type)).collect();
        let mut schema = facet(SCHEMA);
        schema.insert("fields".to_owned(), Value::Array(fields));
        Map::from_iter([("schema".to_owned(), Value::Object(schema))])
    }

    fn lineage(&self) -> &Lineage {
        self.question.lineage
    }

    /// One entry a field, with every way in which it counts. Rows that are counted have no field.
    fn inputs(&self, edges: &Edges) -> Vec<Value> {
        let mut fields: BTreeMap<&Source, Vec<Value>> = BTreeMap::new();
        for Edge { source, class } in edges.iter().filter(|edge| edge.source.column.is_some()) {
            let (kind, subtype) = kind(*class);
            fields.entry(source).or_default().push(json!({
                "type": kind, "subtype": subtype, "description": "", "masking": false,
            }));
        }
        let input = |(source, transformations): (&Source, Vec<Value>)| {
            let (namespace, name) = self.dataset(&source.table);
            json!({
                "namespace": namespace,
                "name": name,
                "field": source.field().replace("[]", "._element"),
                "transformations": transformations,
            })
        };
        fields.into_iter().map(input).collect()
    }

    /// Namespace and name: bucket and path, or `file` and path.
    fn dataset(&self, table: &str) -> (String, String) {
        let model = self.question.project.model(table).map(warehouse::Model::table_name);
        let location = model.or_else(|| table.parse::<TableName>().ok());
        let location =
            location.map_or_else(|| table.to_owned(), |name| name.location().to_string());
        let root = self.url.path().trim_end_matches('/');
        match self.url.scheme() {
            "file" => ("file".to_owned(), format!("{root}/{location}")),
            scheme => {
                let path = format!("{root}/{location}");
                let host = self.url.host_str().unwrap_or_default();
                (format!("{scheme}://{host}"), path.trim_start_matches('/').to_owned())
            }
        }
    }
}

fn facet(schema: &str) -> Map<String, Value> {
    let entry = |name: &str, value: &str| (name.to_owned(), Value::from(value));
    Map::from_iter([entry("_producer", PRODUCER), entry("_schemaURL", schema)])
}

fn field(name: &str, data_type: &DataType) -> Value {
    let fields: Vec<Value> = match data_type {
        DataType::Struct(fields) => {
            fields.iter().map(|inner| field(inner.name(), inner.data_type())).collect()
        }
        DataType::List(element) => vec![field("_element", element.data_type())],
        _ => Vec::new(),
    };
    let kind = match data_type {
        DataType::Struct(_) => "struct".to_owned(),
        DataType::List(_) => "array".to_owned(),
        other => warehouse::lineage::type_name(other),
    };
    if fields.is_empty() {
        json!({ "name": name, "type": kind })
    } else {
        json!({ "name": name, "type": kind, "fields": fields })
    }
}

/// OpenLineage's words for a class.
fn kind(class: Class) -> (&'static str, &'static str) {
    match class {
        Class::Copy => ("DIRECT", "IDENTITY"),
        Class::Transform => ("DIRECT", "TRANSFORMATION"),
        Class::Aggregate => ("DIRECT", "AGGREGATION"),
        Class::Condition => ("INDIRECT", "CONDITIONAL"),
        Class::Window => ("INDIRECT", "WINDOW"),
        Class::Sort => ("INDIRECT", "SORT"),
        Class::Filter => ("INDIRECT", "FILTER"),
        Class::JoinKey => ("INDIRECT", "JOIN"),
        Class::GroupKey => ("INDIRECT", "GROUP_BY"),
    }
}
