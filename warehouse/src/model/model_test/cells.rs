//! From cells to columns and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::file::TestTable;
use crate::model::finding::did_you_mean;

/// The rows of a table in the types of `schema`; columns that are not named are null.
///
/// The error is a line and what is wrong there.
pub(super) fn batch_of(
    schema: &SchemaRef,
    table: &TestTable,
) -> Result<RecordBatch, (usize, String)> {
    let mut given: BTreeMap<&str, ArrayRef> = BTreeMap::new();
    for (at, name) in table.columns.iter().enumerate() {
        let Ok(field) = schema.field_with_name(name) else {
            let hint = did_you_mean(name, schema.fields().iter().map(|f| f.name().as_str()));
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            let message = format!("`{}` has no column `{name}`{hint}", table.title());
            return Err((table.line, message));
        };
        let cells: Vec<Option<&str>> = table
            .rows
            .iter()
            .map(|row| match row.get(at).map(String::as_str) {
                None | Some("") => None,
                Some("\"\"") => Some(""),
                Some(text) => Some(text),
            })
            .collect();
        let column = column_of(field.data_type(), &cells)
            .map_err(|(row, why)| (table.first_row + row + 1, format!("column `{name}`: {why}")))?;
        given.insert(name, column);
    }
    let columns = schema.fields().iter().map(|field| {
        let column = given.remove(field.name().as_str());
        column.unwrap_or_else(|| new_null_array(field.data_type(), table.rows.len()))
    });
    let options = RecordBatchOptions::new().with_row_count(Some(table.rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect(), &options)
        .map_err(|error| (table.line, error.to_string()))
}

fn column_of(data_type: &DataType, cells: &[Option<&str>]) -> Result<ArrayRef, (usize, String)> {
    let whole: ArrayRef = Arc::new(cells.iter().copied().collect::<StringArray>());
    if *data_type == DataType::Utf8 {
        return Ok(whole);
    }
    if !data_type.is_nested() {
        if let DataType::Decimal128(_, scale) = data_type {
            for (row, cell) in cells.iter().enumerate() {
                let digits = cell.and_then(|cell| cell.split_once('.')).map(|(_, digits)| digits);
                let digits = digits.map_or(0, |digits| digits.trim_end_matches('0').len());
                if digits > usize::try_from(*scale).unwrap_or(0) {
                    return Err((row, format!("more than {scale} decimals")));
                }
            }
        }
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        return cast_with_options(&whole, data_type, &strict).map_err(|error| {
            // Which cell it was is found by casting them one by one.
            let bad = (0..cells.len())
                .find(|row| cast_with_options(&whole.slice(*row, 1), data_type, &strict).is_err());
            (bad.unwrap_or(0), error.to_string())
        });
    }
    let mut decoder = ReaderBuilder::new_with_field(Field::new("cell", data_type.clone(), true))
        .with_batch_size(cells.len().max(1))
        .with_coerce_primitive(true)
        .with_strict_mode(true)
        .build_decoder()
        .map_err(|error| (0, error.to_string()))?;
    for (row, cell) in cells.iter().enumerate() {
        let text = format!("{}\n", cell.unwrap_or("null"));
        let decoded = decoder.decode(text.as_bytes());
        decoded.map_err(|error| (row, error.to_string()))?;
    }
    let batch = decoder.flush().map_err(|error| (0, error.to_string()))?;
    let column = batch.and_then(|batch| batch.columns().first().cloned());
    Ok(column.unwrap_or_else(|| new_null_array(data_type, 0)))
}

/// The named columns as a file would have them.
pub(super) fn cells_of(
    batch: &RecordBatch,
    columns: &[String],
) -> Result<Vec<Vec<String>>, ArrowError> {
    let options = FormatOptions::default();
    let mut shown = Vec::with_capacity(columns.len());
    for name in columns {
        let column = batch.column_by_name(name).ok_or_else(|| {
            ArrowError::InvalidArgumentError(format!("there is no column `{name}`"))
        })?;
        shown.push((column, ArrayFormatter::try_new(column, &options)?));
    }
    let rows = (0..batch.num_rows()).map(|row| {
        let cells = shown.iter().map(|(column, formatter)| {
            if column.is_null(row) {
                return String::new();
            }
            let text = formatter.value(row).to_string();
            match column.data_type() {
                DataType::Decimal128(..) => money(&text),
                DataType::Utf8 if text.is_empty() => "\"\"".to_owned(),
                _ => text.replace('|', "\\|"),
            }
        });
        cells.collect()
    });
    Ok(rows.collect())
}

/// `12.3400` as `12.34`, `7.0000` as `7.00`, `0.1250` as `0.125`.
fn money(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, digits)) => {
            let kept = digits.trim_end_matches('0');
            format!("{whole}.{kept:0<2}")
        }
        None => text.to_owned(),
    }
}
