//! `inkhouse check`: is everything that was written sound? No data, and no vendor without `--sources`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use clap::Args;
use connectors::registry;
use warehouse::{Environment, Finding, Model, Project};

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
            .with_hint(excerpt::known_hint(destination, &known)));
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
    let (models, mut found) = project::load_partly(folder)?;
    found.extend(project::check_models(&models)?);
    let (raw_schemas, prod) = (project::raw_schemas(), Environment::default());
    let known = warehouse.with_changed(&models, &raw_schemas, &prod, select).await?;
    let names = known.names(select)?;
    let meant: Vec<&Model> = known.models().filter(|m| names.contains(&*m.name)).collect();
    // A model behind which a file is broken was not planned, and only that file says why.
    let broken: BTreeMap<&str, &str> = known.broken().collect();
    let behind = |model: &Model| known.behind(&model.name).into_iter();
    let is_broken = |name: &str| broken.contains_key(name);
    let skipped = meant.iter().filter(|m| behind(m).any(|name| is_broken(&name))).count();
    let mut paths: BTreeSet<&str> = meant.iter().map(|model| model.path.as_str()).collect();
    let causes = meant.iter().flat_map(|model| behind(model));
    let causes: BTreeSet<String> = causes.chain(names.iter().map(|n| (*n).to_owned())).collect();
    paths.extend(broken.iter().filter(|(name, _)| causes.contains(**name)).map(|(_, path)| *path));
    found.retain(|finding| paths.contains(finding.path.as_str()));
    if found.is_empty() {
        let count = meant.len();
        return Ok((models, count));
    }
    Err(refused(context, folder, &found, skipped)?)
}

/// Says what is wrong: to people with line and caret, to machines one object a finding.
///
/// `skipped` models were not looked at, since they read files that are no models.
fn refused(
    context: &Context,
    folder: &Path,
    found: &[Finding],
    skipped: usize,
) -> Result<Failure, Failure> {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let mut sum = format!("{} in the models", counted(number(found.len()), "finding"));
    if skipped > 0 {
        let models = counted(number(skipped), "model");
        sum = format!("{sum}; not looked at: {models} behind files that are no models");
    }
    let sum = Failure::config(sum).with_hint("`inkhouse explain CODE` says what a code means");
    if !context.printer.is_machine() {
        let all = project::refusal(folder, found)?;
        return Ok(if found.len() > 1 || skipped > 0 { all.with_more([sum]) } else { all });
    }
    let files = project::model_files(folder)?;
    for finding in found {
        let file = files.iter().find(|file| file.path == finding.path);
        context.printer.event(
            "finding",
            serde_json::json!({
                "code": finding.code,
                "model": Path::new(&finding.path).file_stem().map(|stem| stem.to_string_lossy()),
                "path": finding.path,
                "line": finding.line,
                "column": finding.column,
                "width": file.map_or(1, |file| project::width(finding, &file.text)),
                "message": finding.message,
                "hint": finding.hint,
            }),
        );
    }
    Ok(sum)
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
