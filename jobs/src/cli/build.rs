//! `inkhouse build`: models whose inputs changed, published as one release.

use std::time::Instant;

use clap::Args;
use warehouse::{Backfill, Month};

use super::{Context, environment::EnvironmentArgument};
use crate::{build::Building, failure::Failure, quantity::counted, run, spec};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Models: `name`, `fct_*`, `tag:..`, `path:..`, `changed`; `+name` with all it reads, `name+` with
    /// all that read it; everything without
    #[arg(value_name = "SELECT", allow_hyphen_values = false)]
    select: Vec<String>,
    /// Compute the selected models whole, whatever changed
    #[arg(long, conflicts_with_all = ["from", "resume"])]
    full: bool,
    /// Compute what hangs together with orders anew from this month (2025-01), month by month
    #[arg(long, value_name = "MONTH")]
    from: Option<Month>,
    /// The last of these months; the newest without
    #[arg(long, value_name = "MONTH", requires = "from")]
    to: Option<Month>,
    /// Go on with months that were cut off
    #[arg(long, conflicts_with_all = ["from", "to"])]
    resume: bool,
    /// Forget what was cut off, and begin again
    #[arg(long, requires = "from")]
    afresh: bool,
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
        backfill: match arguments.from {
            Some(from) if arguments.afresh => Some(Backfill::Afresh(from, arguments.to)),
            Some(from) => Some(Backfill::Months(from, arguments.to)),
            None => arguments.resume.then_some(Backfill::Resume),
        },
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
        backfill: None,
        clock: house.clock,
        stop: &context.stop,
        printer: &context.printer,
    };
    crate::build::verify(&building, &arguments.select).await
}
