//! `inkhouse check`: is everything that was written sound? No data, and no vendor without `--sources`.

use std::{collections::BTreeSet, path::Path};

use clap::Args;
use connectors::registry;
use warehouse::{Environment, Finding, Project};

use super::Context;
use crate::{
    config::Config,
    excerpt,
    failure::{Failure, Kind},
    project,
    quantity::counted,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Models whose findings are wanted: `name`, `fct_*`, `+name`, `name+`, `tag:..`, `path:..`,
    /// `changed`; all without
    #[arg(value_name = "SELECT", allow_hyphen_values = false)]
    select: Vec<String>,
    /// Also ask every source and destination, with the cheapest call that needs a valid token
    #[arg(long)]
    sources: bool,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let config = context.config()?;
    let absent = config.check()?;
    let jobs = project::jobs(config.folder(), config.time_zone)?;
    let (models, planned) = planned(context, &config, &arguments.select).await?;
    for job in jobs.values() {
        // What a step names must be there.
        for source in job.extracts.iter().filter_map(|step| step.source.as_deref()) {
            if !config.source_names().contains(&source) {
                context.printer.warning(format_args!(
                    "job `{}` reads `{source}`, which `inkhouse.toml` does not configure",
                    job.name
                ));
            }
        }
        for step in &job.builds {
            models.select_changed(&step.models, &BTreeSet::new())?;
        }
    }
    for (name, destination) in models.exports() {
        let known = registry::destination_names();
        if !known.contains(&destination) {
            return Err(Failure::config(format!(
                "export `{name}` goes to `{destination}`, which Inkhouse does not know"
            ))
            .with_hint(excerpt::known_hint(destination, known)));
        }
    }
    for secret in &absent {
        context.printer.warning(format_args!("the secret {secret}"));
    }
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    context.printer.result(format_args!(
        "ok: {}, {}, {}, {} planned",
        counted(count(config.source_names().len()), "source"),
        counted(count(config.destination_names().len()), "destination"),
        counted(count(jobs.len()), "job"),
        counted(count(planned), "model"),
    ));
    context.printer.event(
        "check",
        serde_json::json!({
            "sources": config.source_names(),
            "destinations": config.destination_names(),
            "jobs": jobs.keys().collect::<Vec<_>>(),
            "models": planned,
            "absent_secrets": absent.len(),
        }),
    );
    if arguments.sources { ask(context, &config).await } else { Ok(()) }
}

/// The models, and how many are meant: sound, or refused with all that is wrong with them.
async fn planned(
    context: &Context,
    config: &Config,
    select: &[String],
) -> Result<(Project, usize), Failure> {
    let folder = config.folder();
    let warehouse = config.warehouse(context.globals.memory)?;
    let models = match project::load(folder)? {
        Ok(models) => models,
        Err(found) => return Err(refused(context, folder, &found)?),
    };
    let mut found = project::check_models(&models)?;
    let (raw_schemas, prod) = (project::raw_schemas(), Environment::default());
    let known = warehouse.with_changed(&models, &raw_schemas, &prod, select).await?;
    let meant = known.select(select)?;
    let paths: BTreeSet<&str> = meant.iter().map(|model| model.path.as_str()).collect();
    found.retain(|finding| paths.contains(finding.path.as_str()));
    if found.is_empty() {
        let count = meant.len();
        return Ok((models, count));
    }
    Err(refused(context, folder, &found)?)
}

/// Says what is wrong: to people with line and caret, to machines one object a finding.
fn refused(context: &Context, folder: &Path, found: &[Finding]) -> Result<Failure, Failure> {
    if !context.printer.is_machine() {
        return project::refusal(folder, found);
    }
    for finding in found {
        context.printer.event(
            "finding",
            serde_json::json!({
                "code": finding.code,
                "path": finding.path,
                "line": finding.line,
                "column": finding.column,
                "message": finding.message,
                "hint": finding.hint,
            }),
        );
    }
    let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
    Ok(Failure::config(format!("{} in the models", counted(count, "finding")))
        .with_hint("`inkhouse explain CODE` says what a code means"))
}

/// Asks everybody outside; goes on after a failure, and fails with the first.
async fn ask(context: &Context, config: &Config) -> Result<(), Failure> {
    let mut failures = Vec::new();
    let mut say = |name: &str, answer: Result<String, Failure>| match answer {
        Ok(what) => {
            context.printer.result(format_args!("{name}: {what}"));
            context.printer.event("answer", serde_json::json!({ "name": name, "is": what }));
        }
        Err(failure) if failure.kind() == Kind::Config => failures.push(failure),
        Err(failure) => {
            failures.push(failure.under(format!("`{name}` does not answer as it should")));
        }
    };
    for name in config.source_names() {
        let answer = match config.source(name) {
            Ok(source) => source.check().await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        say(name, answer);
    }
    for name in config.destination_names() {
        let answer = match config.destination(name) {
            Ok(destination) => destination.check().await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        say(name, answer);
    }
    let mut failures = failures.into_iter();
    match failures.next() {
        Some(first) => Err(first.with_more(failures)),
        None => Ok(()),
    }
}
