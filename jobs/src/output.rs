//! The answer of a query: a table for people, CSV or JSON lines for programs.
//!
//! CSV and JSON are written batch by batch, so an answer of any size takes little memory. Decimals
//! are written with all their digits, in JSON as numbers: who reads those must not take a float.

use arrow::{
    array::{Array as _, RecordBatch},
    datatypes::{DataType, SchemaRef},
    util::display::{ArrayFormatter, FormatOptions},
};
use clap::ValueEnum;
use futures::StreamExt as _;
use warehouse::ReadAt;

use crate::{
    failure::{Failure, Kind},
    report,
    run::House,
};

/// Rows of a table for people; who wants more wants CSV.
pub const TABLE_ROWS: usize = 1_000;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A Markdown table of at most 1,000 rows.
    Table,
    /// RFC 4180, with a header; nulls are empty.
    Csv,
    /// One object a line; decimals are numbers with all their digits.
    Json,
}

/// Writes batches of one schema, one after the other, as bytes.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    schema: SchemaRef,
    is_begun: bool,
    rows: Vec<Vec<String>>,
    total: usize,
}

impl Writer {
    /// A writer for rows of `schema`.
    pub fn new(format: Format, schema: SchemaRef) -> Self {
        Self { format, schema, is_begun: false, rows: Vec::new(), total: 0 }
    }

    /// Whether further rows would not be shown.
    pub fn is_full(&self) -> bool {
        self.format == Format::Table && self.total > TABLE_ROWS
    }

    /// What to print for these rows.
    ///
    /// # Errors
    /// When a value has no text.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
        self.total += batch.num_rows();
        match self.format {
            Format::Table => {
                let room = TABLE_ROWS.saturating_sub(self.rows.len());
                self.rows.extend(texts(batch)?.into_iter().take(room));
                Ok(Vec::new())
            }
            Format::Csv => {
                let mut out = self.header();
                for row in texts(batch)? {
                    csv_line(&mut out, row.iter().map(String::as_str));
                }
                Ok(out.into_bytes())
            }
            Format::Json => {
                let mut out = Vec::new();
                let mut writer = arrow::json::WriterBuilder::new()
                    .with_explicit_nulls(true)
                    .build::<_, arrow::json::writer::LineDelimited>(&mut out);
                writer.write(batch).and_then(|()| writer.finish()).map_err(unwritable)?;
                drop(writer);
                Ok(out)
            }
        }
    }

    /// What to print after the last rows.
    pub fn finish(mut self) -> Vec<u8> {
        match self.format {
            Format::Json => Vec::new(),
            Format::Csv => self.header().into_bytes(),
            Format::Table => {
                let fields = self.schema.fields();
                let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
                let right: Vec<usize> = fields
                    .iter()
                    .enumerate()
                    .filter(|(_, field)| field.data_type().is_numeric())
                    .map(|(index, _)| index)
                    .collect();
                let shown = self.rows.len();
                let mut text = report::table(&names, &right, self.rows);
                let rows = if self.total == 1 { "row" } else { "rows" };
                if self.total > shown {
                    text.push_str("\nthe first 1,000 rows; `--format csv` writes all\n");
                } else {
                    text = format!("{text}\n{} {rows}\n", self.total);
                }
                text.into_bytes()
            }
        }
    }

    fn header(&mut self) -> String {
        let mut out = String::new();
        if !self.is_begun {
            self.is_begun = true;
            csv_line(&mut out, self.schema.fields().iter().map(|field| field.name().as_str()));
        }
        out
    }
}

/// All rows of an answer that is known to be small, as text.
///
/// # Errors
/// When the query does not plan or fails.
pub async fn rows(house: &House, sql: &str) -> Result<Vec<Vec<String>>, Failure> {
    let mut answer = house.warehouse.query(&house.project, sql, &ReadAt::default()).await?;
    let mut rows = Vec::new();
    while let Some(batch) = answer.next().await {
        let batch = batch.map_err(|error| {
            Failure::new(Kind::Data, "the query failed while it ran").with_cause(error.to_string())
        })?;
        rows.extend(texts(&batch)?);
    }
    Ok(rows)
}

/// Every value as text, row by row; null is empty.
fn texts(batch: &RecordBatch) -> Result<Vec<Vec<String>>, Failure> {
    let options = FormatOptions::default().with_null("");
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unwritable)?;
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .zip(batch.columns())
                .map(|(column, array)| match array.data_type() {
                    DataType::Null => Ok(String::new()),
                    _ => column.value(row).try_to_string().map_err(unwritable),
                })
                .collect()
        })
        .collect()
}

fn csv_line<'a>(out: &mut String, values: impl Iterator<Item = &'a str>) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if value.contains([',', '"', '\n', '\r']) {
            out.push('"');
            out.push_str(&value.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(value);
        }
    }
    out.push('\n');
}

fn unwritable(error: arrow::error::ArrowError) -> Failure {
    Failure::config("a column of the answer has no text").with_cause(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Decimal128Array, StringArray},
        datatypes::{Field, Schema},
    };

    use super::*;

    fn batch() -> RecordBatch {
        let amounts = Decimal128Array::from(vec![Some(123_400), None]);
        let amounts = amounts.with_precision_and_scale(18, 4).unwrap();
        let names = StringArray::from(vec!["a, \"b\"", "c"]);
        let schema = Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("amount", amounts.data_type().clone(), true),
        ]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(names), Arc::new(amounts)]).unwrap()
    }

    fn written(format: Format) -> String {
        let batch = batch();
        let mut writer = Writer::new(format, batch.schema());
        let mut bytes = writer.batch(&batch).unwrap();
        bytes.extend(writer.finish());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_form_is_exact() {
        assert_eq!(written(Format::Csv), "name,amount\n\"a, \"\"b\"\"\",12.3400\nc,\n");
        let json = written(Format::Json);
        assert!(
            json.contains("12.3400") && json.contains("null") && json.lines().count() == 2,
            "{json}"
        );
        let table = written(Format::Table);
        assert!(table.contains("| 12.3400 |") && table.ends_with("\n2 rows\n"), "{table}");
        let empty = Writer::new(Format::Csv, batch().schema()).finish();
        assert_eq!(empty, b"name,amount\n");
    }
}
