//! `inkhouse query`: SQL in, rows out. Reads one release, changes nothing.

use std::{
    io::{IsTerminal as _, Read as _},
    path::PathBuf,
};

use clap::Args;
use futures::StreamExt as _;
use warehouse::ReadAt;

use super::{Context, environment::EnvironmentArgument};
use crate::{
    failure::{Failure, Kind},
    output::{Format, Writer},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The SQL; from stdin without, or with `-`
    #[arg(value_name = "SQL", conflicts_with = "file")]
    sql: Option<String>,
    /// A file with the SQL
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Read this release instead of the newest
    #[arg(long, value_name = "NUMBER")]
    release: Option<u64>,
    #[command(flatten)]
    of: EnvironmentArgument,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let sql = sql(&arguments)?;
    let house = context.house()?;
    let at = ReadAt { release: arguments.release, environment: arguments.of.environment };
    let mut rows = tokio::select! {
        rows = house.warehouse.query(&house.project, &sql, &at) => rows?,
        () = context.stop.requested() => return Err(stopped()),
    };
    let format = if context.globals.json { Format::Json } else { arguments.format };
    let mut writer = Writer::new(format, rows.schema());
    loop {
        let batch = tokio::select! {
            batch = rows.next() => batch,
            () = context.stop.requested() => return Err(stopped()),
        };
        let Some(batch) = batch else { break };
        let batch = batch.map_err(|error| {
            Failure::new(Kind::Data, "the query failed while it ran").with_cause(error.to_string())
        })?;
        print(context, &writer.batch(&batch)?)?;
        if writer.is_full() || context.printer.is_reader_gone() {
            break;
        }
    }
    print(context, &writer.finish())
}

fn print(context: &Context, bytes: &[u8]) -> Result<(), Failure> {
    context.printer.data(bytes).map_err(|error| Failure::of(&anyhow::Error::new(error)))
}

fn stopped() -> Failure {
    Failure::new(Kind::Interrupted, "the query was stopped")
}

fn sql(arguments: &Arguments) -> Result<String, Failure> {
    let text = match (&arguments.sql, &arguments.file) {
        (_, Some(path)) => {
            fs_err::read_to_string(path).map_err(|error| Failure::config(error.to_string()))?
        }
        (Some(sql), None) if sql != "-" => sql.clone(),
        _ => {
            let mut stdin = std::io::stdin();
            if stdin.is_terminal() {
                return Err(Failure::config("there is no SQL")
                    .with_hint("`inkhouse query \"select 1\"`, `-f file.sql`, or pipe it in"));
            }
            let mut text = String::new();
            stdin.read_to_string(&mut text).map_err(|error| {
                Failure::config("stdin cannot be read").with_cause(error.to_string())
            })?;
            text
        }
    };
    if text.trim().is_empty() {
        return Err(Failure::config("there is no SQL")
            .with_hint("`inkhouse query \"select 1\"`, `-f file.sql`, or pipe it in"));
    }
    Ok(text)
}
