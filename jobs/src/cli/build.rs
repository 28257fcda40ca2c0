//! `inkhouse build`: models whose inputs changed, published as one release.

use std::time::Instant;

use clap::Args;

use super::{Context, environment::EnvironmentArgument};
use crate::{failure::Failure, quantity::counted, run, spec};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Models: `name`, `+name` with all it reads, `name+` with all that read it; everything without
    #[arg(value_name = "SELECT", allow_hyphen_values = false)]
    select: Vec<String>,
    #[command(flatten)]
    of: EnvironmentArgument,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let house = context.house()?;
    let began = Instant::now();
    let mut job = run::one_off("build");
    let environment = arguments.of.environment;
    let place = if environment.is_prod() { String::new() } else { format!(" in `{environment}`") };
    job.builds = vec![spec::Build { models: arguments.select, environment }];
    let (report, ended) = run::unlocked(&house, &job, &context.stop).await;
    ended?;
    let (checks, warned) = report
        .builds
        .iter()
        .map(crate::build::Built::checks)
        .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    context.printer.result(format_args!(
        "{}{place}; {} made, {warned} of them warned",
        report.summary(&job, began.elapsed()),
        counted(checks, "check")
    ));
    Ok(())
}
