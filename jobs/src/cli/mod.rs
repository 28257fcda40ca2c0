//! The command line: what may be typed, and the way from there to an exit code.
//!
//! One file a command. A command gets plain values and the house, does its work, and returns; only
//! this file turns a failure into words and a code.

mod build;
mod check;
mod demo;
mod diff;
mod docs;
mod environment;
mod environments;
mod explain;
mod export;
mod extract;
mod init;
mod lineage;
mod plan;
mod promote;
mod query;
mod releases;
mod rollback;
mod run;
mod sandbox;
mod serve;
mod status;
mod test;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use chrono::{DateTime, Utc};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    clock::{self, Clock},
    config::Config,
    failure::{Failure, Kind},
    project, quantity,
    report::Printer,
    run::House,
    stop::{self, Stop},
};

/// The stack of a worker: planning a deep query recurses deeply.
const STACK_BYTES: usize = 16 << 20;

/// The nightly warehouse of a print-on-demand shop, in one binary.
#[derive(Debug, Parser)]
#[command(name = "inkhouse", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command understands.
#[derive(Debug, Clone, Args)]
struct Globals {
    /// The folder with inkhouse.toml
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Freeze the clock at a moment (2026-11-01T06:00:00Z) or the start of a day (2026-11-01)
    #[arg(long, global = true, value_name = "TIME", value_parser = clock::parse_moment)]
    now: Option<DateTime<Utc>>,
    /// Print one JSON object a line, for machines
    #[arg(long, global = true)]
    json: bool,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Log more on stderr; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// How the log is written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Memory for the whole process, such as 2GB; over what inkhouse.toml says
    #[arg(long, global = true, value_name = "SIZE", value_parser = quantity::parse_bytes)]
    memory: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a project folder with a commented inkhouse.toml
    Init(init::Arguments),
    /// A whole night against a pretended shop, compared with the truth to the cent
    Demo(demo::Arguments),
    /// Serve the pretended shop behind the vendors' own protocols
    Sandbox(sandbox::Arguments),
    /// Look over the config, the jobs and every model, without data
    Check(check::Arguments),
    /// Say what a finding's code means, or why a model would be built now and in which way
    Explain(explain::Arguments),
    /// Run the tests of the models, without data
    Test(test::Arguments),
    /// Read sources into raw tables
    Extract(extract::Arguments),
    /// Build models whose inputs changed, and publish them as one release
    Build(build::Arguments),
    /// What a build would do, and why; writes nothing
    Plan(plan::Arguments),
    /// Compare two releases, or two environments, row by row and column by column
    Diff(diff::Arguments),
    /// What was published, newest first
    Releases(releases::Arguments),
    /// Publish the tables of an older release again
    Rollback(rollback::Arguments),
    /// Make what was built in an environment prod's
    Promote(promote::Arguments),
    /// Which environments there are; `drop` deletes one
    Environments(environments::Arguments),
    /// Deliver rows that changed to where an export goes
    Export(export::Arguments),
    /// Run a job once
    Run(run::Arguments),
    /// Run all jobs at their times until stopped
    Serve,
    /// Ask the warehouse with SQL
    Query(query::Arguments),
    /// What ran last, what is there, what is wrong
    Status,
    /// Where a model or a column comes from and where it goes
    Lineage(lineage::Arguments),
    /// Write the models, their columns, checks and lineage as one HTML file
    Docs(docs::Arguments),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && std::env::args_os().any(|word| word == "--json") => {
            let failure = misuse(&error);
            Printer::new(true, false).failure(&failure);
            return ExitCode::from(failure.kind().exit_code());
        }
        Err(error) => {
            // Help that nobody reads is no failure.
            let _unread = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let printer = Printer::new(cli.globals.json, cli.globals.quiet);
    let ended = log(&cli.globals).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_stack_size(STACK_BYTES)
            .build()
            .map_err(|error| Failure::new(Kind::Bug, error.to_string()))?;
        let ended = runtime.block_on(guarded(cli, printer.clone()));
        // What still runs was abandoned on purpose: nothing of it is visible.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.kind().exit_code())
        }
    }
}

/// What is wrong with the command line, for machines.
fn misuse(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim);
    let message = lines.next().unwrap_or_default();
    let failure = Failure::config(message.strip_prefix("error: ").unwrap_or(message));
    match lines.find_map(|line| line.strip_prefix("tip: ")) {
        Some(tip) => failure.with_hint(tip),
        None => failure.with_hint("`inkhouse --help` lists the commands"),
    }
}

/// The command, until it ends or a second signal ends the waiting for it.
async fn guarded(cli: Cli, printer: Printer) -> Result<(), Failure> {
    let stop = Stop::default();
    let told = printer.clone();
    let signals = stop::on_signals(stop.clone(), move || {
        told.note("stopping after what is under way; once more to stop at once");
    });
    // On a worker, whose stack is large.
    let mut work = tokio::spawn(dispatch(cli, printer, stop));
    tokio::select! {
        ended = &mut work => ended.unwrap_or_else(|error| {
            Err(Failure::new(Kind::Bug, "the command broke down")
                .with_cause(error.to_string())
                .with_hint("nothing is lost; please report this with the output of `-vv`"))
        }),
        () = signals => {
            work.abort();
            Err(Failure::new(Kind::Interrupted, "stopped at once")
                .with_kept("what was committed stays; run it again to go on"))
        }
    }
}

async fn dispatch(cli: Cli, printer: Printer, stop: Stop) -> Result<(), Failure> {
    let context = Context { globals: cli.globals, printer, stop };
    match cli.command {
        Command::Init(arguments) => init::run(&context, arguments),
        Command::Demo(arguments) => Box::pin(demo::run(&context, arguments)).await,
        Command::Sandbox(arguments) => sandbox::run(&context, arguments).await,
        Command::Check(arguments) => check::run(&context, arguments).await,
        Command::Explain(arguments) => Box::pin(explain::run(&context, arguments)).await,
        Command::Extract(arguments) => Box::pin(extract::run(&context, arguments)).await,
        Command::Build(arguments) => Box::pin(build::run(&context, arguments)).await,
        Command::Plan(arguments) => Box::pin(plan::run(&context, arguments)).await,
        Command::Diff(arguments) => Box::pin(diff::run(&context, arguments)).await,
        Command::Releases(arguments) => releases::run(&context, arguments).await,
        Command::Rollback(arguments) => rollback::run(&context, arguments).await,
        Command::Promote(arguments) => Box::pin(promote::run(&context, arguments)).await,
        Command::Environments(arguments) => environments::run(&context, arguments).await,
        Command::Export(arguments) => Box::pin(export::run(&context, arguments)).await,
        Command::Run(arguments) => Box::pin(run::run(&context, arguments)).await,
        Command::Serve => Box::pin(serve::run(&context)).await,
        Command::Query(arguments) => query::run(&context, arguments).await,
        Command::Status => status::run(&context).await,
        Command::Lineage(arguments) => lineage::run(&context, arguments).await,
        Command::Docs(arguments) => Box::pin(docs::run(&context, arguments)).await,
        Command::Test(arguments) => Box::pin(test::run(&context, arguments)).await,
    }
}

/// What every command gets.
struct Context {
    globals: Globals,
    printer: Printer,
    stop: Stop,
}

impl Context {
    fn clock(&self) -> Clock {
        self.globals.now.map_or(Clock::System, Clock::Frozen)
    }

    fn config(&self) -> Result<Config, Failure> {
        Config::load(&self.globals.project)
    }

    /// Config, models and an opened warehouse; nothing is read from it yet.
    fn house(&self) -> Result<House, Failure> {
        let config = self.config()?;
        let project = project::models(config.folder())?;
        let warehouse = config.warehouse(self.globals.memory)?;
        Ok(House {
            warehouse,
            project: Arc::new(project),
            clock: self.clock(),
            printer: self.printer.clone(),
            config,
        })
    }
}

fn log(globals: &Globals) -> Result<(), Failure> {
    let level = match (globals.quiet, globals.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    // The Delta crate logs what it also returns, and the failure is printed once.
    let delta = if globals.verbose > 0 { level } else { LevelFilter::OFF };
    let filter = Targets::new().with_default(level).with_target("deltalake_core", delta);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter);
    let set = match globals.log_format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
    };
    set.map_err(|error| Failure::new(Kind::Bug, error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_unknown_flag_is_answered_with_a_suggestion() {
        let error = Cli::try_parse_from(["inkhouse", "demo", "--order", "5"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--orders"), "{error}");
        let failure = misuse(&error);
        assert_eq!(failure.kind().exit_code(), 2);
        assert_eq!(failure.hint(), Some("a similar argument exists: '--orders'"));
        let error = Cli::try_parse_from(["inkhouse", "chek"]).unwrap_err();
        assert!(error.to_string().contains("check"), "{error}");
    }
}
