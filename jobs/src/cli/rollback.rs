//! `inkhouse rollback`: the tables of an older release, published as the newest.

use clap::Args;

use super::{Context, environment::EnvironmentArgument};
use crate::{failure::Failure, history};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The release to go back to; `inkhouse releases` lists them
    #[arg(value_name = "RELEASE")]
    number: u64,
    #[command(flatten)]
    of: EnvironmentArgument,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let house = context.house()?;
    let (number, environment) = (arguments.number, arguments.of.environment);
    let now = house.clock.now();
    let run_id = history::run_id(now);
    let published = house
        .warehouse
        .rollback(&house.project, &environment, number, &run_id, now)
        .await
        .map_err(|error| Failure::from(error).with_kept("nothing was published"))?;
    context.printer.event(
        "rollback",
        serde_json::json!({
            "environment": environment.name(),
            "to": number,
            "release": published.as_ref().map(|release| release.number),
        }),
    );
    match published {
        None => context.printer.result(format_args!(
            "nothing to do: readers of `{environment}` see the tables of release {number} already"
        )),
        Some(release) => {
            context.printer.result(format_args!(
                "release {} of `{environment}` holds the tables of release {number}",
                release.number
            ));
            context.printer.note(
                "the next build computes anew what changed since; mend what was wrong before it runs",
            );
        }
    }
    Ok(())
}
