//! `inkhouse extract`: sources into raw tables, from the vendors or from saved answers.

use std::{path::PathBuf, time::Instant};

use clap::Args;

use super::Context;
use crate::{
    extract::{self, Extraction, Request},
    failure::Failure,
    history::{self, History, Status},
    run::{self, House},
    spec,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The source; every configured one without
    #[arg(value_name = "SOURCE")]
    source: Option<String>,
    /// Only this stream; may be given several times
    #[arg(long = "stream", value_name = "STREAM", requires = "source")]
    streams: Vec<String>,
    /// Land answers that were saved earlier (JSON, JSONL) instead of asking; needs no token
    #[arg(long, value_name = "DIR", requires = "source")]
    from_files: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let house = context.house()?;
    let began = Instant::now();
    if let (Some(folder), Some(source)) = (&arguments.from_files, &arguments.source) {
        return files(context, &house, source, &arguments.streams, folder.clone()).await;
    }
    let mut job = run::one_off("extract");
    job.extracts = vec![spec::Extract { source: arguments.source, streams: arguments.streams }];
    let (report, ended) = run::unlocked(&house, &job, &context.stop).await;
    ended?;
    context.printer.result(report.summary(&job, began.elapsed()));
    Ok(())
}

async fn files(
    context: &Context,
    house: &House,
    source: &str,
    streams: &[String],
    folder: PathBuf,
) -> Result<(), Failure> {
    if !folder.is_dir() {
        return Err(Failure::config(format!("there is no folder `{}`", folder.display())));
    }
    let began = Instant::now();
    let source = house.config.offline_source(source)?;
    let requests = Request::all(&source, streams)?;
    let run_id = history::run_id(house.clock.now());
    let mut history = History::begin(&house.warehouse, house.clock, &run_id, "extract").await;
    let extraction =
        Extraction::new(&house.warehouse, &run_id, house.clock, 1, &context.stop, &context.printer);
    let reports = extract::run_files(&extraction, &requests, &folder).await;
    let steps: Vec<_> = reports.iter().map(extract::StreamReport::step).collect();
    history.steps(&steps).await;
    let failure = extract::failure(&reports, "landing saved files");
    let status = if failure.is_some() { Status::Failed } else { Status::Succeeded };
    history.end(status, failure.as_ref().map(ToString::to_string).as_deref()).await;
    let mut job = run::one_off("extract");
    job.extracts = vec![spec::Extract::default()];
    let report = run::RunReport { run_id, streams: reports, ..run::RunReport::default() };
    if let Some(failure) = failure {
        return Err(failure);
    }
    context.printer.result(report.summary(&job, began.elapsed()));
    Ok(())
}
