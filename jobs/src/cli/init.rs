//! `inkhouse init`: a folder with a commented config. Never overwrites a file.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Context;
use crate::{config, failure::Failure};

const CONFIG: &str = include_str!("init.toml");
const IGNORED: &str =
    "# Secrets and tables do not belong into version control.\n/secrets/\n/warehouse/\n";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The folder to make; the project folder without
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let folder = arguments.folder.unwrap_or_else(|| context.globals.project.clone());
    if folder.join(config::FILE).exists() {
        return Err(Failure::config(format!(
            "`{}` is there already and stays as it is",
            folder.join(config::FILE).display()
        ))
        .with_hint("`inkhouse check` looks it over; name another folder for a new project"));
    }
    for below in ["sql", "jobs", "secrets", "tests"] {
        fs_err::create_dir_all(folder.join(below)).map_err(unwritable)?;
    }
    write_new(&folder.join(config::FILE), CONFIG)?;
    if !folder.join(".gitignore").exists() {
        write_new(&folder.join(".gitignore"), IGNORED)?;
    }
    context.printer.result(format_args!(
        "made `{0}`\n\nnext:\n  1. fill in what your shop has in `{0}/{1}`\n  2. inkhouse --project {0} check --sources\n  3. inkhouse --project {0} run nightly",
        folder.display(),
        config::FILE
    ));
    context.printer.event("init", serde_json::json!({ "folder": folder.display().to_string() }));
    Ok(())
}

/// Writes a file that must not be there.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut options = fs_err::OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(path).map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)
}

fn unwritable(error: std::io::Error) -> Failure {
    Failure::of(&anyhow::Error::new(error))
}
