//! `inkhouse promote`: what was built in an environment becomes `prod`'s, as one release.

use clap::Args;
use warehouse::Environment;

use super::Context;
use crate::{failure::Failure, history, quantity::counted};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The environment whose tables `prod` takes over
    #[arg(value_name = "ENVIRONMENT")]
    environment: Environment,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let house = context.house()?;
    let environment = arguments.environment;
    let now = house.clock.now();
    let run_id = history::run_id(now);
    let done =
        house.warehouse.promote(&house.project, &environment, &run_id, now).await.map_err(
            |error| Failure::from(error).with_kept("the release of `prod` is what it was"),
        )?;
    context.printer.event(
        "promote",
        serde_json::json!({
            "environment": environment.name(),
            "from": done.from,
            "release": done.release,
            "promoted": done.promoted,
            "stale": done.stale,
        }),
    );
    let Some(release) = done.release else {
        context.printer.result(format_args!(
            "nothing to do: `prod` has all that release {} of `{environment}` has",
            done.from
        ));
        return Ok(());
    };
    for name in &done.promoted {
        context.printer.note(format_args!("  {name}"));
    }
    context.printer.result(format_args!(
        "release {release} of `prod` has {} from release {} of `{environment}`",
        counted(u64::try_from(done.promoted.len()).unwrap_or(u64::MAX), "table"),
        done.from
    ));
    if !done.stale.is_empty() {
        context.printer.warning(format_args!(
            "built from what was replaced, and not yet anew: {}; `inkhouse build` does it",
            done.stale.join(", ")
        ));
    }
    Ok(())
}
