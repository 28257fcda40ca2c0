//! `inkhouse export`: rows that changed, to where they go.

use std::time::Instant;

use clap::Args;

use super::Context;
use crate::{failure::Failure, run, spec};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The export model; every one whose destination is configured without
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let house = context.house()?;
    let began = Instant::now();
    let mut job = run::one_off("export");
    job.exports = vec![spec::Export { name: arguments.name }];
    let (report, ended) = run::unlocked(&house, &job, &context.stop).await;
    ended?;
    tell_unconfigured(context, &report);
    context.printer.result(report.summary(&job, began.elapsed()));
    Ok(())
}

/// Says which exports have nowhere to go.
pub(super) fn tell_unconfigured(context: &Context, report: &run::RunReport) {
    for name in &report.unconfigured {
        context.printer.note(format_args!(
            "export `{name}` was left out: `inkhouse.toml` does not configure its destination"
        ));
    }
}
