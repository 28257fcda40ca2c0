//! Rows shown of a failed check: keys and the columns in question, free text masked.

use datafusion::arrow::array::{Array as _, RecordBatch};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::DataFusionError;
use serde_json::{Map, Value};

/// Rows shown of a failed check.
pub(super) const SAMPLE_ROWS: usize = 5;

/// Rows as a JSON list. Text is shown only in columns that name or classify something.
pub(crate) fn masked(batches: &[RecordBatch]) -> Result<String, DataFusionError> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let schema = batch.schema();
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns
            .map(|(column, field)| Ok((field, column, ArrayFormatter::try_new(column, &options)?)))
            .collect::<Result<Vec<_>, DataFusionError>>()?;
        for row in 0..batch.num_rows() {
            let mut object = Map::new();
            for (field, column, formatter) in &columns {
                let value = if column.is_null(row) {
                    Value::Null
                } else {
                    let text = formatter.value(row).to_string();
                    let open = !(field.data_type().is_string() || field.data_type().is_nested())
                        || (names_something(field.name()) && !text.contains('@'));
                    Value::String(if open { text } else { mask(&text) })
                };
                object.insert(field.name().clone(), value);
            }
            rows.push(Value::Object(object));
        }
    }
    rows.truncate(SAMPLE_ROWS);
    Ok(Value::Array(rows).to_string())
}

fn names_something(column: &str) -> bool {
    ["_id", "_key", "_code", "_status", "_type", "_reason", "_family", "_system"]
        .iter()
        .any(|end| column.ends_with(end))
        || ["basis", "component", "sku"].contains(&column)
}

fn mask(text: &str) -> String {
    text.chars().take(1).chain("***".chars()).collect()
}
