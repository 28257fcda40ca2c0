//! `inkhouse plan`: what a build would do, and why. Writes nothing.

use clap::Args;
use warehouse::{BuildPlan, Forecast, PlannedModel};

use super::{Context, environment::EnvironmentArgument};
use crate::{failure::Failure, project, quantity::counted};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Models, as `build` takes them; everything without
    #[arg(value_name = "SELECT", allow_hyphen_values = false)]
    select: Vec<String>,
    #[command(flatten)]
    of: EnvironmentArgument,
    /// Also list what would be left alone
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let house = context.house()?;
    project::require_sound(house.config.folder(), &house.project)?;
    let environment = arguments.of.environment;
    let house = house.with_changed(&environment, &arguments.select).await?;
    let raw_schemas = project::raw_schemas();
    let plan =
        house.warehouse.plan(&house.project, &raw_schemas, &environment, &arguments.select).await?;
    for model in &plan.models {
        context.printer.event("planned", machine(model));
    }
    context.printer.event(
        "plan",
        serde_json::json!({
            "environment": environment.name(),
            "release": plan.release,
            "runs": runs(&plan),
            "left_behind": plan.left_behind,
        }),
    );
    for model in plan.models.iter().filter(|model| arguments.all || model.forecast.runs()) {
        context.printer.result(text(model));
    }
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let standing = match plan.release {
        Some(number) => format!("release {number} of `{environment}`"),
        None => format!("`{environment}`, which has no release yet"),
    };
    let (models, runs) = (plan.models.len(), runs(&plan));
    let shared = plan.models.iter().filter(|model| model.forecast == Forecast::Shared).count();
    let unchanged = models - runs - shared;
    let may_run = |model: &&PlannedModel| matches!(model.forecast, Forecast::MayRun(_));
    let may = plan.models.iter().filter(may_run).count();
    let to_run = match (runs - may, may) {
        (sure, 0) => format!("{sure} to run"),
        (sure, may) => format!("{sure} to run, {may} more if what they read changes"),
    };
    let shared = match shared {
        0 => String::new(),
        shared => format!(", {shared} shared with `prod`"),
    };
    context.printer.result(format_args!(
        "{} against {standing}: {to_run}, {unchanged} unchanged{shared}",
        counted(count(models), "model"),
    ));
    if !plan.left_behind.is_empty() {
        context.printer.note(format_args!(
            "not selected, though they read what would run: {}",
            plan.left_behind.join(", ")
        ));
    }
    Ok(())
}

fn runs(plan: &BuildPlan) -> usize {
    plan.models.iter().filter(|model| model.forecast.runs()).count()
}

/// A line a model, and a line below it for every reason and every column.
fn text(model: &PlannedModel) -> String {
    let what = match &model.forecast {
        Forecast::Unchanged => "unchanged".to_owned(),
        Forecast::Shared => "shared with `prod`".to_owned(),
        Forecast::First => "full, for the first time".to_owned(),
        Forecast::Full(_) => "full".to_owned(),
        Forecast::Keys { by, .. } => match &model.whole_because {
            Some(input) => format!("full, any of its rows may be computed from `{input}`"),
            None => format!("incremental by {}", by.join(", ")),
        },
        Forecast::MayRun(reads) => {
            let reads: Vec<String> = reads.iter().map(|name| format!("`{name}`")).collect();
            format!("may run, it reads {}", reads.join(", "))
        }
    };
    let mut lines = vec![format!("{}: {what}", model.name)];
    if let Forecast::Full(because) | Forecast::Keys { because, .. } = &model.forecast {
        lines.extend(because.iter().map(|difference| format!("    {difference}")));
    }
    lines.extend(model.columns.iter().map(|change| format!("    column {change}")));
    if model.felt.rows {
        lines.push("    there may be other rows".to_owned());
    }
    if !model.felt.columns.is_empty() {
        let names: Vec<String> =
            model.felt.columns.iter().map(|name| format!("`{name}`")).collect();
        lines.push(format!("    values may differ in {}", names.join(", ")));
    }
    lines.join("\n")
}

fn machine(model: &PlannedModel) -> serde_json::Value {
    let (mut because, mut reads) = (Vec::new(), Vec::new());
    match &model.forecast {
        Forecast::Full(differences) | Forecast::Keys { because: differences, .. } => {
            because = differences.iter().map(ToString::to_string).collect();
        }
        Forecast::MayRun(names) => reads.clone_from(names),
        Forecast::Unchanged | Forecast::Shared | Forecast::First => {}
    }
    serde_json::json!({
        "model": model.name,
        "way": if model.whole_because.is_some() { "full" } else { model.forecast.as_str() },
        "because": because,
        "reads": reads,
        "columns": model.columns,
        "values": model.felt.columns,
        "rows": model.felt.rows,
    })
}
