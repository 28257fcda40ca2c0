//! `inkhouse environments`: which there are and what they hold; and how one goes away.

use clap::{Args, Subcommand};
use warehouse::{Environment, EnvironmentState};

use super::Context;
use crate::{
    failure::Failure,
    quantity::{counted, shown_bytes},
    report,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Delete the releases of an environment and the tables that were built in it
    Drop {
        /// Its name; `prod` cannot be dropped
        #[arg(value_name = "ENVIRONMENT")]
        environment: Environment,
        /// Do it; without, say what would go
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        None => list(context).await,
        Some(Action::Drop { environment, yes }) => remove(context, &environment, yes).await,
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let house = context.house()?;
    let mut rows = Vec::new();
    for environment in house.warehouse.environments().await? {
        let state = house.warehouse.environment_state(&environment).await?;
        let EnvironmentState { current, own, shared, bytes, .. } = state;
        context.printer.event(
            "environment",
            serde_json::json!({
                "name": environment.name(),
                "release": current.as_ref().map(|release| release.number),
                "published": current.as_ref().map(|release| release.created_at),
                "own_tables": own,
                "shared_tables": shared,
                "own_bytes": bytes,
            }),
        );
        let published = current.as_ref().map(|release| release.created_at);
        rows.push(vec![
            environment.to_string(),
            current.map_or_else(|| "-".to_owned(), |release| release.number.to_string()),
            published.map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default(),
            own.to_string(),
            shared.to_string(),
            shown_bytes(bytes),
        ]);
    }
    let header = ["environment", "release", "published", "own models", "shared", "own files"];
    context.printer.result(report::table(&header, &[1, 3, 4, 5], rows));
    Ok(())
}

async fn remove(context: &Context, environment: &Environment, yes: bool) -> Result<(), Failure> {
    let house = context.house()?;
    if environment.is_prod() {
        return Err(warehouse::Error::IsProd("dropped").into());
    }
    if !house.warehouse.environments().await?.contains(environment) {
        return Err(Failure::config(format!("there is no environment `{environment}`"))
            .with_hint("`inkhouse environments` lists what there is"));
    }
    let state = house.warehouse.environment_state(environment).await?;
    let what = format!(
        "{} and {} of tables",
        counted(u64::try_from(state.releases).unwrap_or(u64::MAX), "release"),
        shown_bytes(state.bytes)
    );
    if !yes {
        return Err(Failure::config(format!("dropping `{environment}` deletes {what}"))
            .with_kept("nothing was deleted")
            .with_hint("add `--yes` to do it; what was promoted stays"));
    }
    house
        .warehouse
        .drop_environment(environment)
        .await
        .map_err(|error| Failure::from(error).with_hint("drop it again to finish"))?;
    context.printer.event("dropped", serde_json::json!({ "name": environment.name() }));
    context.printer.result(format_args!("dropped `{environment}`: {what}"));
    Ok(())
}
