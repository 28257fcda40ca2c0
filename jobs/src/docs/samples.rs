//! Queries to begin with: each names columns that the table has and sums only what may be summed.

use arrow::datatypes::DataType;
use serde_json::{Value, json};
use warehouse::{
    Layer,
    lineage::{ColumnLineage, TableLineage},
};

/// Columns of the first query.
const SHOWN: usize = 8;
/// Sums of the others.
const SUMS: usize = 4;

/// Up to three queries: a title and SQL.
pub(super) fn of(table: &TableLineage) -> Vec<Value> {
    statements(table)
        .into_iter()
        .map(|(title, sql)| json!({ "title": title, "sql": sql }))
        .collect()
}

pub(super) fn statements(table: &TableLineage) -> Vec<(&'static str, String)> {
    let name = &table.name;
    let flat: Vec<String> =
        table.columns.iter().filter(|c| !c.data_type.is_nested()).map(quoted).collect();
    let shown: Vec<&str> = flat.iter().take(SHOWN).map(String::as_str).collect();
    let columns = if shown.is_empty() { "*".to_owned() } else { shown.join(",\n    ") };
    let mut found = vec![("Some rows", format!("select\n    {columns}\nfrom {name}\nlimit 20"))];
    let has = |wanted: &str| table.columns.iter().any(|column| column.name == wanted);
    let sums: Vec<String> = table
        .columns
        .iter()
        .filter(|column| column.name.ends_with("_amount"))
        .filter(|column| matches!(column.data_type, DataType::Decimal128(..)))
        .take(SUMS)
        .map(|column| format!("sum({0}) as {0}", quoted(column)))
        .collect();
    // Only of facts every sum is safe, and only within a currency.
    if table.layer == Layer::Marts
        && name.starts_with("fct_")
        && has("currency_code")
        && !sums.is_empty()
    {
        let sums = sums.join(",\n    ");
        let by_currency = "currency_code";
        found.push((
            "Sums by currency",
            format!("select\n    {by_currency},\n    {sums}\nfrom {name}\ngroup by {by_currency}"),
        ));
        let date = table.columns.iter().find(|column| column.data_type == DataType::Date32);
        if let Some(date) = date.map(quoted) {
            found.push((
                "Sums by month",
                format!(
                    "select\n    date_trunc('month', {date}) as month,\n    {by_currency},\n    {sums}\n\
                     from {name}\ngroup by date_trunc('month', {date}), {by_currency}\norder by month"
                ),
            ));
        }
    } else if table.layer == Layer::Raw && has("_extracted_at") {
        found.push((
            "How much was landed when",
            format!(
                "select\n    date_trunc('day', _extracted_at) as day,\n    count(*) as version_count\n\
                 from {name}\ngroup by date_trunc('day', _extracted_at)\norder by day"
            ),
        ));
    }
    found
}

fn quoted(column: &ColumnLineage) -> String {
    let name = &column.name;
    let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_plain { name.clone() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
