//! `inkhouse releases`: what was published, newest first. Reads the releases, no table.

use clap::Args;
use warehouse::{Release, TableChange};

use super::{Context, environment::EnvironmentArgument};
use crate::{failure::Failure, quantity::Grouped, report};

/// Changed tables that a line names; `--json` names all.
const NAMES: usize = 4;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    of: EnvironmentArgument,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let house = context.house()?;
    let environment = arguments.of.environment;
    let numbers = house.warehouse.release_numbers(&environment).await?;
    // One more than is shown: the last one is compared with it.
    let newest: Vec<u64> = numbers.iter().rev().take(arguments.limit + 1).copied().collect();
    let mut releases = Vec::with_capacity(newest.len());
    for number in newest {
        releases.push(house.warehouse.release(&environment, number).await?);
    }
    if releases.is_empty() {
        let name = environment.to_string();
        return Err(warehouse::Error::NoRelease { environment: name }.into());
    }
    let mut lines = Vec::new();
    for (at, release) in releases.iter().take(arguments.limit).enumerate() {
        let changes = release.changes_since(releases.get(at + 1));
        let of = |wanted: TableChange| -> Vec<&String> {
            let changed = changes.iter().filter(|(_, change)| **change == wanted);
            changed.map(|(name, _)| name).collect()
        };
        context.printer.event(
            "release",
            serde_json::json!({
                "environment": environment.name(),
                "number": release.number,
                "created_at": release.created_at,
                "run_id": release.run_id,
                "note": release.note,
                "tables": release.tables.len(),
                "added": of(TableChange::Added),
                "changed": of(TableChange::Changed),
                "removed": of(TableChange::Removed),
            }),
        );
        lines.push(line(
            release,
            &of(TableChange::Added),
            &of(TableChange::Changed),
            &of(TableChange::Removed),
        ));
    }
    let header = ["release", "published", "run", "tables", "changed", "note"];
    context.printer.result(report::table(&header, &[0, 3], lines));
    let hidden = numbers.len().saturating_sub(arguments.limit);
    if hidden > 0 {
        context.printer.note(format_args!("{hidden} older ones; `--limit` shows more"));
    }
    Ok(())
}

fn line(
    release: &Release,
    added: &[&String],
    changed: &[&String],
    removed: &[&String],
) -> Vec<String> {
    let marked = |mark: &str, names: &[&String]| -> Vec<String> {
        names.iter().map(|name| format!("{mark}{name}")).collect()
    };
    // Models say more than the raw tables they come from.
    let mut names = marked("-", removed);
    names.extend(marked("+", added));
    names.extend(marked("", changed));
    names.sort_by_key(|name| name.contains('.'));
    let more = names.len().saturating_sub(NAMES);
    names.truncate(NAMES);
    let mut text = names.join(", ");
    if more > 0 {
        text = format!("{text} and {more} more");
    }
    vec![
        release.number.to_string(),
        release.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
        release.run_id.clone(),
        Grouped(u64::try_from(release.tables.len()).unwrap_or(u64::MAX)).to_string(),
        text,
        release.note.clone().unwrap_or_default(),
    ]
}
