//! `inkhouse demo`: a whole night against a pretended shop, compared with the truth.
//!
//! `--now` is the shop's present: what happens later is not there yet.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::{
    config,
    demo::{self, Demo},
    failure::Failure,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Orders of the shop's two years
    #[arg(long, default_value_t = 2_000)]
    orders: u32,
    /// What the shop is drawn from
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Where to make the project, which is kept; a temporary folder without
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Keep the temporary folder, to look at its tables
    #[arg(long, conflicts_with = "dir")]
    keep: bool,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let is_kept = arguments.keep || arguments.dir.is_some();
    let folder = arguments.dir.unwrap_or_else(|| {
        let name = format!("inkhouse-demo-{}", uuid::Uuid::new_v4().simple());
        config::temporary_folder().join(name)
    });
    let demo = Demo {
        orders: arguments.orders,
        seed: arguments.seed,
        as_of: context.globals.now,
        folder: folder.clone(),
        memory: context.globals.memory,
    };
    let ended = Box::pin(demo::run(&demo, &context.printer, &context.stop)).await;
    // What went wrong is looked at in the tables: a folder of a failed demo stays.
    if is_kept || ended.is_err() {
        if folder.exists() {
            context.printer.result(format_args!(
                "the project stays in `{0}`; try: inkhouse --project {0} query \"select * from fct_order_lines limit 5\"",
                folder.display()
            ));
        }
    } else if let Err(error) = fs_err::remove_dir_all(&folder) {
        context.printer.warning(error);
    } else {
        context
            .printer
            .result("the project was removed; `--keep` or `--dir DIR` leaves it to look at");
    }
    ended
}
