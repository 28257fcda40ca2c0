//! The export step: what an export model says, against what the vendor acknowledged last.
//!
//! Only rows whose payload differs from the acknowledged one go out; state is written after the
//! acknowledgement and never before. Consent is checked by the destination's mapping and the
//! vendor's own suppressions here, for every row, so that no model can bypass them.
//!
//! One delivery of an export to an account at a time, over all machines: two would read the same
//! state and send the same rows.

mod delivery;
mod state;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use connectors::{Delivery, Destination, Hold, Mapped};
pub use delivery::Tally;
use futures::StreamExt;
use warehouse::{Project, ReadAt, Warehouse};

use crate::{
    lock::{self, Subject},
    report::Printer,
    stop::Stop,
};
use delivery::{AT_ONCE, Courier};
use state::{Acknowledgements, Status};

/// How long a refused row rests before it is tried again: once a night, not once a run.
const RETRY_REJECTED_AFTER: chrono::TimeDelta = chrono::TimeDelta::hours(20);
/// First wait between two questions about a job.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// One export: a model and the vendor that its rows go to.
#[derive(Debug, Clone)]
pub struct Export {
    /// The model's name in `sql/exports/`.
    pub name: String,
    /// The account that is written to.
    pub destination: Arc<dyn Destination>,
}

/// What an export step needs to know.
#[derive(Debug)]
pub struct ExportContext<'a> {
    /// Where the release is read and the state is kept.
    pub warehouse: &'a Warehouse,
    /// The models, exports among them.
    pub project: &'a Project,
    /// The run's clock.
    pub now: DateTime<Utc>,
    /// Asks to stop: nothing more is sent, and jobs are left to the next run.
    pub stop: &'a Stop,
    /// The run, for whoever finds its lock.
    pub run_id: &'a str,
    /// Tells people.
    pub printer: &'a Printer,
}

/// How one export ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReport {
    /// The model's name.
    pub name: String,
    /// The vendor's name.
    pub destination: String,
    /// Rows of the model.
    pub rows: u64,
    /// Rows whose payload was acknowledged before.
    pub unchanged: u64,
    /// Rows refused lately, that rest until the next night.
    pub resting: u64,
    /// Rows held back before any call, by reason.
    pub held: BTreeMap<&'static str, u64>,
    /// What was sent and how it ended.
    pub tally: Tally,
    /// Why nothing was looked at, if so.
    pub skipped: Option<String>,
    /// Whether it was asked to stop before its end; the next run goes on.
    pub stopped: bool,
}

/// Delivers what changed of one export, under the delivery's own lock.
///
/// # Errors
/// Busy, when another run delivers the same. When the release cannot be read, the vendor refuses
/// access, or state cannot be written. What was acknowledged until then stays acknowledged.
pub async fn run(context: &ExportContext<'_>, export: &Export) -> Result<ExportReport> {
    let subject = Subject::Delivery {
        destination: export.destination.name(),
        account: export.destination.account(),
        export: &export.name,
    };
    let lock = lock::take(context.warehouse, subject, context.run_id, context.stop).await?;
    let ended = Box::pin(deliver(context, export)).await;
    lock.release().await;
    ended
}

async fn deliver(context: &ExportContext<'_>, export: &Export) -> Result<ExportReport> {
    let destination = Arc::clone(&export.destination);
    let mut report = ExportReport {
        name: export.name.clone(),
        destination: destination.name().to_owned(),
        rows: 0,
        unchanged: 0,
        resting: 0,
        held: BTreeMap::new(),
        tally: Tally::default(),
        skipped: None,
        stopped: false,
    };
    let mut state = Acknowledgements::load(
        context.warehouse,
        destination.name(),
        destination.account(),
        &export.name,
        context.now,
    )
    .await?;

    // A key that went away or an empty model says that something upstream is wrong, not that
    // everybody left; nothing is removed from a vendor by this step in any case.
    let sql = format!("select * from {}", export.name);
    let mut rows = context
        .warehouse
        .query(context.project, &sql, &ReadAt::default())
        .await
        .with_context(|| format!("export `{}` reads its model", export.name))?;

    let mut suppressed: Option<HashSet<String>> = None;
    let mut seen = HashSet::new();
    let progress = context.printer.progress(&export.name);
    let mut courier =
        Courier::new(Arc::clone(&destination), &mut state, POLL_EVERY, context.stop, &progress);
    courier.settle_earlier().await?;
    'rows: while let Some(Some(batch)) = courier.unless_stopped(AT_ONCE, rows.next()).await {
        let batch = batch.with_context(|| format!("export `{}` reads its model", export.name))?;
        for mapped in destination.map(&batch)? {
            if courier.is_stopping() {
                break 'rows;
            }
            report.rows += 1;
            let delivery = match mapped {
                Mapped::Row(delivery) => delivery,
                Mapped::Held { reason, .. } => {
                    hold(&mut report, reason);
                    continue;
                }
            };
            if !seen.insert(courier.state().key(&delivery.identifier)) {
                hold(&mut report, Hold::Duplicate);
                continue;
            }
            match judge(courier.state(), &delivery, context.now) {
                Verdict::Unchanged => report.unchanged += 1,
                Verdict::Resting => report.resting += 1,
                Verdict::Send => {
                    // Read once, and only when there is something to send.
                    let list = match &mut suppressed {
                        Some(list) => list,
                        none => {
                            let reading = destination.suppressed();
                            let Some(list) = courier.unless_stopped(AT_ONCE, reading).await else {
                                break 'rows;
                            };
                            none.insert(list?)
                        }
                    };
                    if list.contains(&delivery.identifier) {
                        hold(&mut report, Hold::Suppressed);
                    } else {
                        courier.add(delivery).await?;
                    }
                }
            }
        }
        courier.compared(report.rows);
    }
    (report.tally, report.stopped) = courier.finish().await?;
    if report.rows == 0 && !report.stopped {
        report.skipped = Some(format!("`{}` has no rows", export.name));
    }
    Ok(report)
}

fn hold(report: &mut ExportReport, reason: Hold) {
    *report.held.entry(reason.as_str()).or_default() += 1;
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Unchanged,
    Resting,
    Send,
}

/// Whether a row has to go out, given what became of it last.
fn judge(state: &Acknowledgements, delivery: &Delivery, now: DateTime<Utc>) -> Verdict {
    let (key, payload_hash) = state.fingerprint(delivery);
    match state.last(key) {
        // Its job has not ended; it is asked about at the start of every run. A newer payload waits
        // for that too: of two jobs under way nobody knows which the vendor ends last.
        Some(last) if last.status == Status::Pending => Verdict::Resting,
        Some(last) if last.payload_hash == payload_hash => match last.status {
            Status::Acknowledged | Status::Pending => Verdict::Unchanged,
            Status::Rejected if now - last.at < RETRY_REJECTED_AFTER => Verdict::Resting,
            Status::Rejected | Status::Lost => Verdict::Send,
        },
        _ => Verdict::Send,
    }
}
