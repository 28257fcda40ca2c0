//! `inkhouse run JOB`: one run of a job, under its lock.

use std::time::Instant;

use clap::Args;

use super::{Context, export::tell_unconfigured};
use crate::{failure::Failure, project, run};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The job: the stem of a file in jobs/, such as `nightly`
    #[arg(value_name = "JOB")]
    job: String,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let house = context.house()?;
    let began = Instant::now();
    let job = project::job(house.config.folder(), house.config.time_zone, &arguments.job)?;
    let (report, ended) = run::locked(&house, &job, &context.stop).await;
    tell_unconfigured(context, &report);
    ended?;
    context.printer.result(report.summary(&job, began.elapsed()));
    Ok(())
}
