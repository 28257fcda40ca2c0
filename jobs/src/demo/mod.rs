//! The demo: a pretended shop on loopback, a real night against it, and the truth beside it.
//!
//! Nothing is short-cut: the job `nightly` runs through HTTP as it would against the vendors. Only
//! the clock is frozen (at the shop's own present) and the client-side rate limits are lifted.

mod statement;
mod taste;
mod truth;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::{Running, ServeOptions, TruthSummary, World, WorldOptions};

use crate::{
    clock::Clock,
    config::{self, Config},
    failure::{Failure, Kind},
    project,
    quantity::{counted, shown},
    report::Printer,
    run::{self, House, RunReport},
    stop::Stop,
};

pub use truth::Comparison;

/// A vendor of the sandbox and the only secret it takes.
#[derive(Debug, Clone, Copy)]
pub struct Vendor {
    /// As in the config and in the sandbox's paths.
    pub name: &'static str,
    /// Its token.
    pub secret: &'static str,
    /// Its section of the config, without `base_url` and `rate_limit`.
    section: &'static str,
}

/// Everybody behind the sandbox's port.
pub const VENDORS: &[Vendor] = &[
    Vendor {
        name: "shopify",
        secret: "shpat_sandbox",
        section: "[sources.shopify]\nshop = \"inkhouse-sandbox.myshopify.com\"\ntoken = { file = \"secrets/shopify\" }\n",
    },
    Vendor {
        name: "printify",
        secret: "pat_sandbox",
        section: "[sources.printify]\ntoken = { file = \"secrets/printify\" }\n",
    },
    Vendor {
        name: "printful",
        secret: "pf_sandbox",
        section: "[sources.printful]\ntoken = { file = \"secrets/printful\" }\nstore_id = 4242\n",
    },
    Vendor {
        name: "stripe",
        secret: "rk_test_sandbox",
        section: "[sources.stripe]\nkey = { file = \"secrets/stripe\" }\n",
    },
    Vendor {
        name: "meta",
        secret: "EAAsandbox",
        section: "[sources.meta]\naccount_id = \"act_1001\"\ntoken = { file = \"secrets/meta\" }\nstart_date = \"2024-11-01\"\n",
    },
    Vendor {
        name: "klaviyo",
        secret: "pk_sandbox",
        section: "[destinations.klaviyo]\nkey = { file = \"secrets/klaviyo\" }\n",
    },
];

/// How long the shop has been quiet when the night begins: connectors leave the last minutes to the
/// next night, since a vendor's index follows its data by seconds, and the truth has them.
const QUIET: TimeDelta = TimeDelta::minutes(10);

/// What a demo is made of.
#[derive(Debug, Clone)]
pub struct Demo {
    /// Orders of the shop's two years.
    pub orders: u32,
    /// What the shop is drawn from.
    pub seed: u64,
    /// The shop's present; the end of its two years without.
    pub as_of: Option<DateTime<Utc>>,
    /// Where the project goes; it must not hold one.
    pub folder: PathBuf,
    /// Memory for the whole process, over the config's.
    pub memory: Option<usize>,
}

/// Runs the demo and prints all of it. Fails when a cent differs from the truth.
///
/// # Errors
/// Whatever ends the night, or a data failure with the number of differences.
pub async fn run(demo: &Demo, printer: &Printer, stop: &Stop) -> Result<(), Failure> {
    let mut phases: Vec<(&str, Duration)> = Vec::new();
    let began = Instant::now();
    let as_of = demo.as_of.unwrap_or_else(|| WorldOptions::default().as_of);
    let options = WorldOptions { seed: demo.seed, orders: demo.orders, as_of };
    let world = tokio::task::spawn_blocking(move || World::new(options)).await.map_err(broken)?;
    let serving = ServeOptions { lift_limits: true, ..ServeOptions::default() };
    let running = sandbox::serve(world.clone(), serving).await.map_err(|error| {
        Failure::new(Kind::Access, "the sandbox cannot listen").with_cause(error.to_string())
    })?;
    write_project(&demo.folder, &running)?;
    printer.note(format_args!(
        "a shop of {} (seed {}) serves at http://{}; the project is `{}`",
        counted(u64::from(world.order_count()), "order"),
        demo.seed,
        running.addr,
        demo.folder.display()
    ));
    phases.push(("world", began.elapsed()));

    let house = house(demo, Clock::Frozen(as_of + QUIET), printer)?;
    let job = project::job(&demo.folder, house.config.time_zone, "nightly")?;
    let (night, ended) = Box::pin(run::locked(&house, &job, stop)).await;
    ended?;
    phases.extend(["extract", "build", "export"].into_iter().zip(night.phases));

    let began = Instant::now();
    let truth = demo.folder.join("truth");
    let summary = write_truth(&world, &truth).await?;
    phases.push(("truth", began.elapsed()));
    let began = Instant::now();
    let comparison = Box::pin(truth::compare(&house, &truth)).await?;
    let taste = Box::pin(taste::compare(&house, &truth)).await?;
    phases.push(("comparison", began.elapsed()));

    statement::print(&house, &night, &running).await?;
    tell(printer, &comparison, &summary);
    printer.result(taste);
    printer.event("taste", taste.to_json());
    statement::print_phases(printer, &phases);
    running.stop().await;
    comparison.verdict()
}

fn house(demo: &Demo, clock: Clock, printer: &Printer) -> Result<House, Failure> {
    let config = Config::load(&demo.folder)?;
    let project = project::models(config.folder())?;
    Ok(House {
        warehouse: config.warehouse(demo.memory)?,
        project: Arc::new(project),
        clock,
        printer: printer.clone(),
        config,
    })
}

async fn write_truth(world: &World, folder: &Path) -> Result<TruthSummary, Failure> {
    let (world, folder) = (world.clone(), folder.to_owned());
    tokio::task::spawn_blocking(move || sandbox::write_truth(&world, &folder))
        .await
        .map_err(broken)?
        .map_err(|error| Failure::of(&anyhow::Error::new(error)))
}

fn broken(error: tokio::task::JoinError) -> Failure {
    Failure::new(Kind::Bug, "the sandbox broke down").with_cause(error.to_string())
}

fn tell(printer: &Printer, comparison: &Comparison, truth: &TruthSummary) {
    printer.result(format_args!("\n{comparison}"));
    if comparison.differences() == 0 {
        printer.result(format_args!(
            "{} of them estimated, as their invoices are not there yet",
            counted(truth.estimated_lines, "line")
        ));
    }
    printer.event("comparison", comparison.to_json());
}

/// Writes the config and the secrets of a project that reads the sandbox.
fn write_project(folder: &Path, running: &Running) -> Result<(), Failure> {
    let path = folder.join(config::FILE);
    if path.exists() {
        return Err(Failure::config(format!(
            "`{}` is there already and stays as it is",
            path.display()
        ))
        .with_hint("name a new folder with `--dir`"));
    }
    let unwritable = |error: std::io::Error| Failure::of(&anyhow::Error::new(error));
    fs_err::create_dir_all(folder.join("secrets")).map_err(unwritable)?;
    let mut text = String::from(
        "# A project of `inkhouse demo`. Its shop lives only while the demo runs; the tables stay.\n\n\
         [warehouse]\nurl = \"file://./warehouse\"\nmemory = \"1GB\"\n\n\
         [shop]\nname = \"Inkhouse Sandbox\"\ntime_zone = \"America/Los_Angeles\"\n",
    );
    for vendor in VENDORS {
        fs_err::write(folder.join("secrets").join(vendor.name), vendor.secret)
            .map_err(unwritable)?;
        let url = running.base_url(vendor.name);
        text.push('\n');
        text.push_str(vendor.section);
        text.push_str("base_url = \"");
        text.push_str(&url);
        text.push_str("\"\nrate_limit = false\n");
    }
    fs_err::write(&path, text).map_err(unwritable)
}

/// Rows of the night, for the statement.
fn landed(night: &RunReport) -> Vec<Vec<String>> {
    use crate::quantity::Grouped;
    night
        .streams
        .iter()
        .map(|stream| {
            vec![
                stream.name.clone(),
                Grouped(stream.rows).to_string(),
                Grouped(stream.pages).to_string(),
                shown(stream.elapsed),
            ]
        })
        .collect()
}
