//! `inkhouse lineage`: where a model or a column comes from and where it goes, and what a change
//! of the models changes downstream. No data, no network.

use std::num::NonZeroUsize;

use clap::{Args, Subcommand};
use warehouse::lineage::{Direction, ProjectDiff};

use super::Context;
use crate::{
    failure::Failure,
    lineage::{self, Format, Question},
    project,
};

#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Action>,
    /// A model or raw table, or one of its columns, with the way into it
    #[arg(value_name = "MODEL[.COLUMN]", required = true)]
    target: Option<String>,
    /// Only what it comes from
    #[arg(long)]
    up: bool,
    /// Only what it goes into
    #[arg(long)]
    down: bool,
    /// At most so many steps away
    #[arg(long, value_name = "STEPS")]
    depth: Option<NonZeroUsize>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// What the models' changes since a git revision change or break downstream
    Diff {
        /// A branch, a tag or a commit
        #[arg(value_name = "REVISION", allow_hyphen_values = true)]
        revision: String,
    },
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    match (arguments.command, arguments.target) {
        (Some(Action::Diff { revision }), None) => diff(context, &revision).await,
        (Some(_), Some(target)) => {
            Err(Failure::config(format!("`diff` compares all models; it takes no `{target}`"))
                .with_hint("`inkhouse lineage diff REVISION`"))
        }
        (None, target) => {
            let directions = match (arguments.up, arguments.down) {
                (true, false) => vec![Direction::Up],
                (false, true) => vec![Direction::Down],
                _ => vec![Direction::Up, Direction::Down],
            };
            let target = target.unwrap_or_default();
            show(
                context,
                &target,
                directions,
                arguments.depth.map(NonZeroUsize::get),
                arguments.format,
            )
        }
    }
}

fn show(
    context: &Context,
    target: &str,
    directions: Vec<Direction>,
    depth: Option<usize>,
    format: Format,
) -> Result<(), Failure> {
    let config = context.config()?;
    let models = project::models(config.folder())?;
    project::require_sound(config.folder(), &models)?;
    let lineage = models.lineage(&project::raw_schemas())?;
    let node = lineage.find(target)?;
    let question = Question { project: &models, lineage: &lineage, node, directions, depth };
    let text = match format {
        Format::Openlineage => {
            let at = context.clock().now();
            let events = lineage::events(&question, config.url(), at);
            let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
            lines.join("\n") + "\n"
        }
        Format::Json if !context.printer.is_machine() => format!("{:#}\n", question.machine()),
        Format::Dot | Format::Mermaid => question.text(format),
        _ if context.printer.is_machine() => {
            context.printer.event("lineage", question.machine());
            return Ok(());
        }
        _ => question.text(format),
    };
    let printed = context.printer.data(text.as_bytes());
    printed.map_err(|error| Failure::of(&anyhow::Error::new(error)))
}

async fn diff(context: &Context, revision: &str) -> Result<(), Failure> {
    let config = context.config()?;
    let folder = config.folder();
    let own = lineage::revision::own_models(folder, revision).await?;
    let before = project::models_of(project::with_embedded(own))
        .map_err(|failure| failure.under(format!("the models at `{revision}` do not load")))?;
    let after = project::models(folder)?;
    let diff = ProjectDiff::between(&before, &after, &project::raw_schemas())?;
    context.printer.result(lineage::markdown(&diff, &after, revision).trim_end());
    context.printer.event("lineage_diff", lineage::machine(&diff, &after, revision));
    Ok(())
}
