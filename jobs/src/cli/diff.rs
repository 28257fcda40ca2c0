//! `inkhouse diff`: how two releases differ, for a terminal, a program or a pull request.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use warehouse::{Diff, ReadAt, RowsDiff, TableDiff};

use super::Context;
use crate::{
    failure::{Failure, Kind},
    quantity::{Grouped, counted},
    report,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The one that is compared: `7` (a release of prod), `dev` (its newest), `dev@3`
    #[arg(value_name = "BEFORE")]
    before: ReadAt,
    /// The one that it is compared with
    #[arg(value_name = "AFTER")]
    after: ReadAt,
    /// Only these models, as `build` takes them; a raw table by its name
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// End with 1 when anything differs
    #[arg(long)]
    fail_if_diff: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// One object
    Json,
    /// For a pull request
    Markdown,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { before, after, select, format, fail_if_diff } = arguments;
    let house = context.house()?.with_changed(&after.environment, &select).await?;
    let diff = tokio::select! {
        diff = house.warehouse.diff(&house.project, &before, &after, &select) => diff?,
        () = context.stop.requested() => {
            return Err(Failure::new(Kind::Interrupted, "the comparison was stopped"));
        }
    };
    let text = match format {
        _ if context.globals.json => json(&diff)?,
        Format::Json => json(&diff)?,
        Format::Text => text(&diff),
        Format::Markdown => markdown(&diff),
    };
    let printed = context.printer.data(text.as_bytes());
    printed.map_err(|error| Failure::of(&anyhow::Error::new(error)))?;
    if fail_if_diff && !diff.is_empty() {
        let differing = diff.tables.iter().filter(|table| !table.is_empty()).count();
        let tables = counted(u64::try_from(differing).unwrap_or(u64::MAX), "table");
        let message = format!("`{}` and `{}` differ in {tables}", diff.before, diff.after);
        return Err(Failure::new(Kind::Data, message));
    }
    Ok(())
}

fn json(diff: &Diff) -> Result<String, Failure> {
    let text = serde_json::to_string(diff);
    text.map(|text| text + "\n").map_err(|error| Failure::new(Kind::Bug, error.to_string()))
}

/// The last line, in every form for people.
fn summary(diff: &Diff) -> String {
    let rewritten = diff.tables.iter().filter(|table| table.is_empty()).count();
    let differing = diff.tables.len() - rewritten;
    let same = diff.equal + rewritten;
    let verb = if differing == 1 { "differs" } else { "differ" };
    let differing = counted(u64::try_from(differing).unwrap_or(u64::MAX), "table");
    format!("{differing} {verb}, {same} the same")
}

fn text(diff: &Diff) -> String {
    let mut out = format!("{} -> {}\n", diff.before, diff.after);
    for table in diff.tables.iter().filter(|table| !table.is_empty()) {
        out.push('\n');
        add(&mut out, format_args!("{}: {}", table.table, headline(table)));
        for change in &table.columns {
            add(&mut out, format_args!("  column {change}"));
        }
        for sum in &table.sums {
            let currency = currency(sum.currency_code.as_deref());
            add(
                &mut out,
                format_args!(
                    "  sum of {}: {} -> {}, {}{currency}",
                    sum.column,
                    sum.before,
                    sum.after,
                    signed(&sum.difference)
                ),
            );
        }
        let Some(rows) = &table.rows else { continue };
        for column in &rows.values {
            add(
                &mut out,
                format_args!(
                    "  {}: another value in {}",
                    column.column,
                    counted(column.rows, "row")
                ),
            );
            for sample in &column.samples {
                let (before, after) = (plain(&sample.before), plain(&sample.after));
                add(&mut out, format_args!("      {}: {before} -> {after}", fields(&sample.key)));
            }
        }
        for (sign, samples) in [("+", &rows.added_samples), ("-", &rows.removed_samples)] {
            for sample in samples {
                add(&mut out, format_args!("  {sign} {}", fields(sample)));
            }
        }
    }
    if diff.tables.iter().any(|table| !table.is_empty()) {
        out.push('\n');
    }
    add(&mut out, format_args!("{}", summary(diff)));
    out
}

fn markdown(diff: &Diff) -> String {
    let mut out = format!("### `{}` -> `{}`\n\n{}\n", diff.before, diff.after, summary(diff));
    let differing: Vec<&TableDiff> = diff.tables.iter().filter(|t| !t.is_empty()).collect();
    if differing.is_empty() {
        return out;
    }
    let rows = differing.iter().map(|table| {
        let counted = |of: fn(&RowsDiff) -> u64| {
            table.rows.as_ref().map_or_else(String::new, |rows| Grouped(of(rows)).to_string())
        };
        vec![
            format!("`{}`", table.table),
            format!("{} -> {}", Grouped(table.rows_before), Grouped(table.rows_after)),
            counted(|rows| rows.added),
            counted(|rows| rows.removed),
            counted(|rows| rows.changed),
            columns_of(table),
        ]
    });
    let header = ["table", "rows", "added", "removed", "changed", "columns"];
    add(&mut out, format_args!("\n{}", report::table(&header, &[1, 2, 3, 4], rows)));
    let sums = differing.iter().flat_map(|table| {
        table.sums.iter().map(|sum| {
            vec![
                format!("`{}.{}`", table.table, sum.column),
                sum.currency_code.clone().unwrap_or_default(),
                sum.before.clone(),
                sum.after.clone(),
                signed(&sum.difference),
            ]
        })
    });
    let sums: Vec<_> = sums.collect();
    if !sums.is_empty() {
        let header = ["sum of", "currency", "before", "after", "difference"];
        add(&mut out, format_args!("\n{}", report::table(&header, &[2, 3, 4], sums)));
    }
    for table in differing {
        let Some(rows) = table.rows.as_ref().filter(|rows| !rows.values.is_empty()) else {
            continue;
        };
        let lines = rows.values.iter().map(|column| {
            let first = column.samples.first().map(|sample| {
                let (before, after) = (plain(&sample.before), plain(&sample.after));
                format!("{}: {before} -> {after}", fields(&sample.key))
            });
            let first = first.unwrap_or_default().replace('|', "\\|");
            vec![format!("`{}`", column.column), Grouped(column.rows).to_string(), first]
        });
        let lines = report::table(&["column", "rows", "for example"], &[1], lines);
        add(
            &mut out,
            format_args!(
                "\n<details><summary><code>{}</code></summary>\n\n{lines}\n\n</details>",
                table.table
            ),
        );
    }
    out
}

/// What happened to a table, in one phrase.
fn headline(table: &TableDiff) -> String {
    let (before, after) = (table.rows_before, table.rows_after);
    match (table.change, &table.rows) {
        ("added", _) => format!("new, {}", counted(after, "row")),
        ("removed", _) => format!("gone, it had {}", counted(before, "row")),
        (_, None) => format!("{} -> {}, not compared", Grouped(before), counted(after, "row")),
        (_, Some(rows)) if rows.is_empty() => format!("{}, all the same", counted(after, "row")),
        (_, Some(rows)) => {
            let (added, removed) = (Grouped(rows.added), Grouped(rows.removed));
            let all = format!("{} -> {}", Grouped(before), counted(after, "row"));
            if rows.key.is_empty() {
                return format!("{all}, {removed} only before, {added} only after, by whole rows");
            }
            let changed = Grouped(rows.changed);
            let key = rows.key.join(", ");
            format!("{all}, {added} added, {removed} removed, {changed} changed, by {key}")
        }
    }
}

fn columns_of(table: &TableDiff) -> String {
    let retyped = table.columns.iter().map(ToString::to_string);
    let values = table.rows.iter().flat_map(|rows| &rows.values);
    let values = values.map(|column| format!("`{}`", column.column));
    retyped.chain(values).collect::<Vec<_>>().join(", ")
}

fn add(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _written = writeln!(out, "{line}");
}

fn currency(code: Option<&str>) -> String {
    code.map(|code| format!(" {code}")).unwrap_or_default()
}

fn signed(amount: &str) -> String {
    if amount.starts_with('-') { amount.to_owned() } else { format!("+{amount}") }
}

fn fields(row: &Map<String, Value>) -> String {
    let fields = row.iter().map(|(name, value)| format!("{name} {}", plain(value)));
    fields.collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
