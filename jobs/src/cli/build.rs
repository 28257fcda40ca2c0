//! `inkhouse build`: models whose inputs changed, published as one release.

use std::time::Instant;

use clap::Args;

use super::{Context, environment::EnvironmentArgument};
use crate::{build::Building, failure::Failure, quantity::counted, run, spec};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Models: `name`, `fct_*`, `tag:..`, `path:..`, `changed`; `+name` with all it reads, `name+` with
    /// all that read it; everything without
    #[arg(value_name = "SELECT", allow_hyphen_values = false)]
    select: Vec<String>,
    /// Compute the selected models whole, whatever changed
    #[arg(long)]
    full: bool,
    /// Then compute every selected model anew and compare all rows with its table; writes nothing
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    of: EnvironmentArgument,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let began = Instant::now();
    let mut job = run::one_off("build");
    let environment = arguments.of.environment;
    // What changed is seen once: after the build nothing has, and `--verify` means the same models.
    let house = context.house()?.with_changed(&environment, &arguments.select).await?;
    let place = if environment.is_prod() { String::new() } else { format!(" in `{environment}`") };
    job.builds = vec![spec::Build {
        models: arguments.select.clone(),
        full: arguments.full,
        environment: environment.clone(),
    }];
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
    if !arguments.verify {
        return Ok(());
    }
    let building = Building {
        warehouse: &house.warehouse,
        project: &house.project,
        environment: &environment,
        run_id: &report.run_id,
        whole: false,
        clock: house.clock,
        stop: &context.stop,
        printer: &context.printer,
    };
    crate::build::verify(&building, &arguments.select).await
}
