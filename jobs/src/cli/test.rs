//! `inkhouse test`: the project's model tests, on its models. No network, and no
//! warehouse and config but for `changed`.
//!
//! The models that the files need are planned once; a case then takes milliseconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use clap::Args;
use serde_json::json;
use warehouse::{
    Environment, Project, asks_for_changed,
    model_test::{Bench, CaseReport, TestFile, TestReport},
};

use super::Context;
use crate::{
    failure::{Failure, Kind},
    project,
    quantity::counted,
};

/// Where the tests of a project are.
const FOLDER: &str = "tests";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files or folders of tests, and models whose cases to run (`name`, `fct_*`, `tag:..`, `changed`)
    #[arg(value_name = "SELECT|FILE")]
    select: Vec<String>,
    /// Write the rows that the models yield into every expected table that differs
    #[arg(long)]
    complete: bool,
    /// List for each of the project's own models whether a test has rows of it
    #[arg(long, conflicts_with = "complete")]
    coverage: bool,
}

/// A file that is a test.
struct Test {
    path: PathBuf,
    file: TestFile,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let began = Instant::now();
    let folder = &context.globals.project;
    let models = if asks_for_changed(&arguments.select) {
        // Only a warehouse knows.
        let prod = Environment::default();
        let house = context.house()?.with_changed(&prod, &arguments.select).await?;
        Arc::unwrap_or_clone(house.project)
    } else {
        project::models(folder)?
    };
    let tests = tests(folder, &models, &arguments.select)?;
    let mut bench =
        Bench::new(&models, &project::raw_schemas(), tests.iter().map(|test| &test.file))?;
    if arguments.complete {
        return complete(context, &mut bench, &tests).await;
    }
    let mut reports = Vec::new();
    let mut unread = Vec::new();
    for test in &tests {
        match bench.run(&test.file).await {
            Ok(report) => {
                report.cases.iter().for_each(|case| show(context, &report, case));
                reports.push(report);
            }
            Err(error) => unread.push(Failure::from(error)),
        }
        if context.stop.is_requested() {
            return Err(Failure::new(Kind::Interrupted, "the tests were stopped"));
        }
    }
    let cases = || reports.iter().flat_map(|report| &report.cases);
    let count = cases().count();
    let failed = cases().filter(|case| case.failure.is_some()).count();
    context.printer.result(format_args!(
        "{} in {}: {} passed, {failed} failed; {:.2?}",
        counted(wide(count), "case"),
        counted(wide(reports.len()), "file"),
        count - failed,
        began.elapsed(),
    ));
    context.printer.event(
        "test",
        json!({ "files": reports.len(), "cases": count, "failed": failed, "unread": unread.len() }),
    );
    if arguments.coverage {
        coverage(context, folder, &reports)?;
    }
    let mut unread = unread.into_iter();
    if let Some(first) = unread.next() {
        return Err(first.with_more(unread));
    }
    if failed > 0 {
        let message = format!("{failed} of {} failed", counted(wide(count), "case"));
        return Err(Failure::new(Kind::Data, message).with_hint(
            "mend the model, or look at what `--complete` would write and whether that is right",
        ));
    }
    Ok(())
}

/// The tests that are meant: files by path, cases by the models they expect rows of.
fn tests(folder: &Path, models: &Project, select: &[String]) -> Result<Vec<Test>, Failure> {
    let (named, patterns): (Vec<&String>, Vec<&String>) =
        select.iter().partition(|word| is_path(folder, word));
    let mut paths = BTreeMap::new();
    if named.is_empty() {
        for path in project::markdown(&folder.join(FOLDER))? {
            paths.insert(path, false);
        }
    }
    for word in named {
        let near = Path::new(word);
        let path = if near.exists() { near.to_owned() } else { folder.join(near) };
        if path.is_dir() {
            paths.extend(project::markdown(&path)?.into_iter().map(|path| (path, false)));
        } else {
            paths.insert(path, true);
        }
    }
    let patterns: Vec<String> = patterns.into_iter().cloned().collect();
    let wanted: BTreeSet<&str> =
        models.select(&patterns)?.into_iter().map(|model| model.name.as_str()).collect();
    let mut tests = Vec::new();
    let mut unread = Vec::new();
    for (path, is_named) in paths {
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                unread.push(Failure::config(error.to_string()));
                continue;
            }
        };
        // Beside tests there may be manuals.
        if !is_named && !TestFile::is_test(&text) {
            continue;
        }
        let shown = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        match TestFile::parse(&shown.replace('\\', "/"), &text) {
            Ok(file) if patterns.is_empty() => tests.push(Test { path, file }),
            Ok(file) => {
                let file = file.expecting(&wanted);
                if file.case_count() > 0 {
                    tests.push(Test { path, file });
                }
            }
            Err(error) => unread.push(Failure::from(error)),
        }
    }
    let mut unread = unread.into_iter();
    if let Some(first) = unread.next() {
        return Err(first.with_more(unread).with_kept("no test ran"));
    }
    // That nothing changed is no mistake.
    if tests.is_empty() && !asks_for_changed(&patterns) {
        return Err(if patterns.is_empty() {
            Failure::config(format!("there is no test in `{}`", folder.join(FOLDER).display()))
                .with_hint("a test is a Markdown file with `given` and `expect` tables; the manual is warehouse/README.md, `Model tests`")
        } else {
            Failure::config(format!("no test expects rows of `{}`", patterns.join("`, `")))
                .with_hint("`name+` also runs the tests of all that read it")
        });
    }
    Ok(tests)
}

/// Whether a word names a file or folder and no model.
fn is_path(folder: &Path, word: &str) -> bool {
    let is_file = Path::new(word).extension().is_some_and(|kind| kind == "md");
    is_file || word.contains('/') && (Path::new(word).exists() || folder.join(word).exists())
}

fn show(context: &Context, report: &TestReport, case: &CaseReport) {
    let place = format!("{}:{}", report.path, case.line);
    let name = &case.name;
    let took = format!("{:.1?}", case.took);
    match &case.failure {
        None => context.printer.result(format_args!("ok     {took:>8}  {place}  {name}")),
        Some(failure) => {
            let below: Vec<String> = failure.lines().map(|line| format!("    {line}")).collect();
            context
                .printer
                .result(format_args!("FAILED {took:>8}  {place}  {name}\n{}\n", below.join("\n")));
        }
    }
    context.printer.event(
        "case",
        json!({
            "file": report.path,
            "line": case.line,
            "name": name,
            "passed": case.failure.is_none(),
            "microseconds": u64::try_from(case.took.as_micros()).unwrap_or(u64::MAX),
            "failure": case.failure,
        }),
    );
}

/// Rewrites the files whose expected rows differ.
async fn complete(context: &Context, bench: &mut Bench, tests: &[Test]) -> Result<(), Failure> {
    let mut rewritten = 0_usize;
    let mut failures = Vec::new();
    for Test { path, file } in tests {
        let completed = match bench.complete(file).await {
            Ok(completed) => completed,
            Err(error) => {
                failures.push(Failure::from(error));
                continue;
            }
        };
        for (line, failure) in completed.failures {
            failures.push(Failure::new(Kind::Data, format!("{}:{line}: {failure}", file.path)));
        }
        if let Some(text) = completed.text {
            replace(path, &text).map_err(|error| Failure::of(&anyhow::Error::new(error)))?;
            rewritten += 1;
            context.printer.result(format_args!("rewrote `{}`", file.path));
            context.printer.event("rewrote", json!({ "file": file.path }));
        }
    }
    context
        .printer
        .result(format_args!("{rewritten} of {} rewritten", counted(wide(tests.len()), "file")));
    context.printer.event("complete", json!({ "files": tests.len(), "rewritten": rewritten }));
    let mut failures = failures.into_iter();
    match failures.next() {
        Some(first) => Err(first
            .with_kept("the expected rows of that case are as they were")
            .with_more(failures)),
        None => Ok(()),
    }
}

/// Puts a whole file in place of another.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("md.new");
    fs_err::write(&beside, text)?;
    fs_err::rename(&beside, path)
}

/// For each of the project's own models what the tests have of it.
fn coverage(context: &Context, folder: &Path, reports: &[TestReport]) -> Result<(), Failure> {
    let own = project::own_models(folder)?;
    let cases = || reports.iter().flat_map(|report| &report.cases);
    let expected: BTreeSet<&String> = cases().flat_map(|case| &case.expected).collect();
    let exercised: BTreeSet<&String> = cases().flat_map(|case| &case.exercised).collect();
    let mut untested = 0_usize;
    for model in &own {
        let how = if expected.contains(model) {
            "expected"
        } else if exercised.contains(model) {
            "on the way"
        } else {
            untested += 1;
            "untested"
        };
        context.printer.result(format_args!("{how:<10}  {model}"));
        context.printer.event("coverage", json!({ "model": model, "tests": how }));
    }
    let models = counted(wide(own.len()), "model");
    context.printer.result(format_args!("{untested} of {models} of yours have no test with rows"));
    Ok(())
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
