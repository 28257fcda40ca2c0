//! `inkhouse sandbox`: the pretended shop on a port, until it is stopped.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use chrono::{DateTime, Utc};
use clap::Args;
use sandbox::{FaultPlan, ServeOptions, World, WorldOptions};

use super::Context;
use crate::{
    clock,
    demo::VENDORS,
    failure::{Failure, Kind},
    report,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Orders of the last two years
    #[arg(long, default_value_t = 2_000)]
    orders: u32,
    /// What the world is drawn from
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// What happened later is not visible; the end of the history without
    #[arg(long, value_name = "TIME", value_parser = clock::parse_moment)]
    as_of: Option<DateTime<Utc>>,
    /// The port on this machine; a free one without
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What goes wrong, such as `shopify:429@5,retry_after=1;printify:truncate@3`
    #[arg(long, default_value = "", value_name = "PLAN")]
    faults: FaultPlan,
    /// Answer as quickly as asked, without the vendors' rate limits
    #[arg(long)]
    no_limits: bool,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    let usual = WorldOptions::default();
    let world = World::new(WorldOptions {
        seed: arguments.seed,
        orders: arguments.orders,
        as_of: arguments.as_of.unwrap_or(usual.as_of),
    });
    let options = ServeOptions {
        addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), arguments.port),
        faults: arguments.faults,
        lift_limits: arguments.no_limits,
    };
    let running = sandbox::serve(world, options).await.map_err(|error| {
        Failure::new(Kind::Access, format!("port {} cannot be listened on", arguments.port))
            .with_cause(error.to_string())
            .with_hint("choose another `--port`, or leave it out for a free one")
    })?;
    let rows = VENDORS.iter().map(|vendor| {
        vec![vendor.name.to_owned(), running.base_url(vendor.name), vendor.secret.to_owned()]
    });
    context.printer.result(report::table(&["vendor", "base_url", "its only token"], &[], rows));
    for vendor in VENDORS {
        context.printer.event(
            "serving",
            serde_json::json!({ "vendor": vendor.name, "base_url": running.base_url(vendor.name) }),
        );
    }
    context.printer.note("serving until stopped (Ctrl-C)");
    context.stop.requested().await;
    running.stop().await;
    Ok(())
}
