//! `inkhouse status`: what ran last, what is there, what is wrong. Asks no vendor.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use connectors::registry;
use warehouse::{Environment, TableName};

use super::Context;
use crate::{
    failure::Failure,
    output,
    quantity::{Grouped, counted, shown_bytes},
    report,
    run::House,
};

const RUNS: &str = "select job, status, date_trunc('second', started_at) as started_at, \
     date_trunc('second', finished_at) as finished_at, coalesce(error, '') as error \
     from ops.runs order by started_at desc, run_id desc limit 10";
const READ: &str = "select name, max(finished_at) as finished_at from ops.steps \
     where kind = 'extract' and status = 'succeeded' group by name";
/// What is wrong: how many, of what, and where to look.
const PROBLEMS: [(&str, &str, &str); 4] = [
    ("select count(*) from ops.rejects", "record", "did not fit, see `ops.rejects`"),
    (
        "select count(*) from ops.check_results where status in ('failed', 'warned') and run_id = \
         (select max(run_id) from ops.check_results)",
        "check",
        "of the last build did not hold, see `ops.check_results`",
    ),
    (
        "select count(*) from ops.export_errors",
        "row",
        "refused by vendors, see `ops.export_errors`",
    ),
    (
        "select count(*) from ops.steps where status = 'failed' and run_id = \
         (select max(run_id) from ops.runs)",
        "step",
        "of the last run failed, see `ops.steps`",
    ),
];
/// Characters of an error that the table shows; `ops.runs` has all of it.
const ERROR_WIDTH: usize = 72;

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let house = context.house()?;
    let release = house.warehouse.current_release(&Environment::default()).await?;
    let streams = streams(&house).await?;
    let runs = output::rows(&house, RUNS).await?;
    let mut problems = Vec::new();
    for (sql, one, place) in PROBLEMS {
        let count = output::rows(&house, sql).await?;
        let count = count.first().and_then(|row| row.first()).and_then(|n| n.parse().ok());
        if let Some(count) = count.filter(|count: &u64| *count > 0) {
            problems.push(format!("{} {place}", counted(count, one)));
        }
    }
    let name =
        house.config.shop_name.as_deref().map(|name| format!("{name}, ")).unwrap_or_default();
    context.printer.result(format_args!("{name}{}", house.config.url()));
    match &release {
        Some(release) => context.printer.result(format_args!(
            "release {}, {}, {} old",
            release.number,
            counted(u64::try_from(release.tables.len()).unwrap_or(u64::MAX), "table"),
            age(release.created_at, house.clock.now())
        )),
        None => context.printer.result("no release yet; `inkhouse build` makes the first"),
    }
    context.printer.result("\nlast runs");
    if runs.is_empty() {
        context.printer.result("none yet; `inkhouse run nightly` is the usual one");
    } else {
        let header = ["job", "status", "started", "finished", "error"];
        context.printer.result(report::table(&header, &[], runs.iter().map(|row| shortened(row))));
    }
    context.printer.result("\nstreams");
    let header = ["stream", "rows", "size", "read up to"];
    context.printer.result(report::table(&header, &[1, 2], streams.clone()));
    context.printer.result("\nproblems");
    if problems.is_empty() {
        context.printer.result("none");
    }
    for problem in &problems {
        context.printer.result(problem);
    }
    context.printer.event(
        "status",
        serde_json::json!({
            "url": house.config.url().as_str(),
            "release": release.map(|release| release.number),
            "runs": runs,
            "streams": streams,
            "problems": problems,
        }),
    );
    Ok(())
}

/// A row a stream that is configured or there: name, rows, size, age of what was read last.
async fn streams(house: &House) -> Result<Vec<Vec<String>>, Failure> {
    let read: BTreeMap<String, String> = output::rows(house, READ)
        .await?
        .into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            Some((row.next()?, row.next()?))
        })
        .collect();
    let now = house.clock.now();
    let mut rows = Vec::new();
    let configured = house.config.source_names();
    for source in registry::source_names() {
        for stream in registry::streams_of(source).unwrap_or_default() {
            let name = format!("{source}.{}", stream.name);
            let table = house.warehouse.table(&TableName::raw(source, stream.name));
            let snapshot = table.snapshot().await?;
            // Saved files may have been landed of a source that is not configured.
            if snapshot.is_none() && !configured.contains(&source) {
                continue;
            }
            let at = read.get(&name).and_then(|at| at.parse::<DateTime<Utc>>().ok());
            rows.push(vec![
                name,
                snapshot.as_ref().map_or_else(|| "-".to_owned(), |s| Grouped(s.rows()).to_string()),
                snapshot.as_ref().map_or_else(String::new, |s| shown_bytes(s.bytes())),
                at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(at, now))),
            ]);
        }
    }
    Ok(rows)
}

fn shortened(row: &[String]) -> Vec<String> {
    let mut row = row.to_vec();
    if let Some(error) = row.last_mut()
        && error.chars().count() > ERROR_WIDTH
    {
        *error = error.chars().take(ERROR_WIDTH - 2).chain("..".chars()).collect();
    }
    row
}

/// `3 h`, `2 d`.
fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let minutes = (now - at).num_minutes().max(0);
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}
