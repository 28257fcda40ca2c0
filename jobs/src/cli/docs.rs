//! `inkhouse docs`: the models, their columns, checks and lineage as one HTML file.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use warehouse::{Environment, Release};

use super::Context;
use crate::{
    docs::{self, Facts, Past},
    failure::Failure,
    project,
    quantity::{counted, shown_bytes},
    run::House,
};

/// How long a warehouse is waited for: the page is worth something without it.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "inkhouse-docs.html")]
    out: PathBuf,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let config = context.config()?;
    let shop = config.shop_name.clone();
    let models = project::models(config.folder())?;
    project::require_sound(config.folder(), &models)?;
    let lineage = models.lineage(&project::raw_schemas())?;
    let warehouse = config.warehouse(context.globals.memory)?;
    let project = Arc::new(models);
    let house = House {
        warehouse,
        project: Arc::clone(&project),
        clock: context.clock(),
        printer: context.printer.clone(),
        config,
    };
    let known = tokio::time::timeout(PATIENCE, past(&house)).await;
    let (release, past) = match known {
        Ok(Ok(known)) => known,
        Ok(Err(failure)) => {
            let failure = failure.to_string();
            context.printer.warning(format_args!("what was built is left out: {failure}"));
            (None, Past::default())
        }
        Err(_) => {
            context.printer.warning("what was built is left out: the warehouse did not answer");
            (None, Past::default())
        }
    };
    let page = docs::page(&Facts {
        shop: shop.as_deref(),
        project: &project,
        lineage: &lineage,
        release: release.as_ref(),
        past: &past,
        at: context.clock().now(),
    });
    fs_err::write(&arguments.out, &page).map_err(|error| {
        Failure::config("the page cannot be written").with_cause(error.to_string())
    })?;
    let count = project.models().count();
    let bytes = u64::try_from(page.len()).unwrap_or(u64::MAX);
    context.printer.result(format_args!(
        "{}: {}, {}",
        arguments.out.display(),
        counted(u64::try_from(count).unwrap_or(u64::MAX), "model"),
        shown_bytes(bytes)
    ));
    context.printer.event(
        "docs",
        serde_json::json!({ "file": arguments.out, "models": count, "bytes": bytes }),
    );
    Ok(())
}

async fn past(house: &House) -> Result<(Option<Release>, Past), Failure> {
    let release = house.warehouse.current_release(&Environment::default()).await?;
    Ok((release, Past::read(house).await?))
}
