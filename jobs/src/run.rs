//! A run: the steps of a job in order, written down, tried again when somebody was busy.
//!
//! Whatever happens, what was committed stays and is told. A step that fails ends the run, save
//! that all streams of an extract are read first; what follows is written down as skipped. Nothing
//! runs before the config, the job and every model are known to be sound.

mod plan;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use warehouse::{Backfill, Environment, Project, Warehouse};

use crate::{
    build::{self, Building, Built},
    clock::Clock,
    config::Config,
    export::{self, Export, ExportContext, ExportReport},
    extract::{self, Ended, Extraction, Request, StreamReport},
    failure::{Failure, Kind},
    history::{self, History, Status, Step},
    lock::{self, Subject},
    project,
    quantity::{counted, shown},
    report::Printer,
    spec::{self, Job},
    stop::{Reason, Stop},
};
use plan::{Prepared, prepare};

/// Everything that steps work with.
#[derive(Debug, Clone)]
pub struct House {
    /// The config.
    pub config: Config,
    /// The tables.
    pub warehouse: Warehouse,
    /// The models.
    pub project: Arc<Project>,
    /// The time.
    pub clock: Clock,
    /// The only printer.
    pub printer: Printer,
}

impl House {
    /// The house, its project knowing what changed in `environment` if `select` asks for that.
    ///
    /// # Errors
    /// When releases cannot be read.
    pub async fn with_changed(
        mut self,
        environment: &Environment,
        select: &[String],
    ) -> Result<Self, Failure> {
        let raw_schemas = project::raw_schemas();
        let known =
            self.warehouse.with_changed(&self.project, &raw_schemas, environment, select).await?;
        let known = match known {
            Cow::Owned(project) => Some(project),
            Cow::Borrowed(_) => None,
        };
        if let Some(project) = known {
            self.project = Arc::new(project);
        }
        Ok(self)
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct RunReport {
    /// Its name in `ops.runs`.
    pub run_id: String,
    /// Streams, in order.
    pub streams: Vec<StreamReport>,
    /// Builds, in order.
    pub builds: Vec<Built>,
    /// Exports, in order.
    pub exports: Vec<ExportReport>,
    /// Exports whose destination is not configured.
    pub unconfigured: Vec<String>,
    /// Time spent in extracts, builds and exports.
    pub phases: [Duration; 3],
}

impl RunReport {
    /// Rows added to raw.
    pub fn landed(&self) -> u64 {
        self.streams.iter().map(|stream| stream.rows).sum()
    }

    /// Models computed.
    pub fn rebuilt(&self) -> u64 {
        self.builds.iter().map(Built::rebuilt).sum()
    }

    /// Calls that wrote to a vendor.
    pub fn writes(&self) -> u64 {
        self.exports.iter().map(|export| export.tally.calls).sum()
    }

    /// The last line for people: what is new, or that nothing is.
    pub fn summary(&self, job: &Job, elapsed: Duration) -> String {
        let mut parts = Vec::new();
        if !job.extracts.is_empty() {
            parts.push(format!("{} added to raw", counted(self.landed(), "row")));
        }
        if !job.builds.is_empty() {
            parts.push(format!("{} rebuilt", counted(self.rebuilt(), "model")));
        }
        if !job.exports.is_empty() {
            parts.push(counted(self.writes(), "API write"));
        }
        let parts = parts.join(", ");
        if self.landed() == 0 && self.rebuilt() == 0 && self.writes() == 0 {
            return format!("nothing new: {parts}");
        }
        format!("{}: {parts} in {}", job.name, shown(elapsed))
    }
}

/// Runs a job under its lock and its timeout.
///
/// # Errors
/// The failure that ended it, beside what was done until then.
pub async fn locked(house: &House, job: &Job, stop: &Stop) -> (RunReport, Result<(), Failure>) {
    let prepared = match prepare(house, job) {
        Ok(prepared) => prepared,
        Err(failure) => return (RunReport::default(), Err(failure)),
    };
    let run_id = history::run_id(house.clock.now());
    let stop = stop.child();
    let lock = match lock::take(&house.warehouse, Subject::Job(&job.name), &run_id, &stop).await {
        Ok(lock) => lock,
        Err(failure) => return (RunReport::default(), Err(failure)),
    };
    let timer = {
        let (stop, timeout) = (stop.clone(), job.timeout);
        tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            stop.request(Reason::Timeout(timeout));
        })
    };
    let ended = Box::pin(go(house, job, prepared, run_id, &stop)).await;
    timer.abort();
    lock.release().await;
    ended
}

/// Runs steps that are no job of their own (`inkhouse extract`): no job's lock, no timeout. Two at
/// once are safe: every commit is a compare-and-swap, and a delivery has a lock of its own.
///
/// # Errors
/// As [`locked`].
pub async fn unlocked(house: &House, job: &Job, stop: &Stop) -> (RunReport, Result<(), Failure>) {
    match prepare(house, job) {
        Ok(prepared) => {
            let run_id = history::run_id(house.clock.now());
            // Its own request: a lock that is lost stops this run and not the process.
            Box::pin(go(house, job, prepared, run_id, &stop.child())).await
        }
        Err(failure) => (RunReport::default(), Err(failure)),
    }
}

/// A job without a file, for a command that does one step.
pub fn one_off(name: &str) -> Job {
    Job {
        name: name.to_owned(),
        owner: String::new(),
        schedule: None,
        timeout: Duration::MAX,
        retry: spec::Retry::default(),
        missed: spec::Missed::Skip,
        extracts: Vec::new(),
        builds: Vec::new(),
        exports: Vec::new(),
    }
}

async fn go(
    house: &House,
    job: &Job,
    prepared: Prepared,
    run_id: String,
    stop: &Stop,
) -> (RunReport, Result<(), Failure>) {
    let mut history = History::begin(&house.warehouse, house.clock, &run_id, &job.name).await;
    house.printer.event("run", serde_json::json!({ "job": job.name, "run_id": run_id }));
    let mut run = Run {
        house,
        job,
        stop,
        history: &mut history,
        report: RunReport { run_id, ..RunReport::default() },
    };
    let ended = match run.steps(prepared).await {
        // The wait for another try was broken off.
        Err(failure) if failure.kind() == Kind::Busy && stop.is_requested() => {
            Err(Failure::new(Kind::Interrupted, "stopped before another try")
                .with_cause(failure.one_line())
                .with_kept("what was committed stays; run it again to go on"))
        }
        ended => ended,
    };
    let report = run.report;
    let ended = match (stop.reason(), ended) {
        (Some(reason), Err(failure)) if failure.kind() == Kind::Interrupted => {
            Err(stopped(job, reason, failure))
        }
        (_, ended) => ended,
    };
    let (status, error) = match &ended {
        Ok(()) => (Status::Succeeded, None),
        Err(failure) => {
            let status = if stop.is_requested() { Status::Stopped } else { Status::Failed };
            (status, Some(failure.one_line()))
        }
    };
    history.end(status, error.as_deref()).await;
    house.printer.event(
        "finished",
        serde_json::json!({
            "job": job.name,
            "run_id": report.run_id,
            "status": status.as_str(),
            "rows_landed": report.landed(),
            "models_rebuilt": report.rebuilt(),
            "api_writes": report.writes(),
        }),
    );
    (report, ended)
}

/// What it means that a run was stopped, by who stopped it.
fn stopped(job: &Job, reason: Reason, failure: Failure) -> Failure {
    let kept = failure.kept().unwrap_or("what was committed stays").to_owned();
    match reason {
        Reason::Signal => failure,
        Reason::Timeout(timeout) => Failure::new(
            Kind::Busy,
            format!("job `{}` ran longer than its timeout of {}", job.name, shown(timeout)),
        )
        .with_kept(kept)
        .with_hint(format!("run it again, or raise `timeout` in `jobs/{}.toml`", job.name)),
        Reason::LockLost => Failure::new(
            Kind::Busy,
            format!("job `{}` lost a lock to another run and stopped", job.name),
        )
        .with_kept(kept)
        .with_hint(
            "this machine could not say in time that it lives; see `ops.runs` for the other run",
        ),
    }
}

struct Run<'a> {
    house: &'a House,
    job: &'a Job,
    stop: &'a Stop,
    history: &'a mut History,
    report: RunReport,
}

impl Run<'_> {
    async fn steps(&mut self, prepared: Prepared) -> Result<(), Failure> {
        let Prepared { extracts, builds, exports, unconfigured } = prepared;
        self.report.unconfigured = unconfigured;
        let mut result = Ok(());
        for requests in extracts {
            result = match result {
                Ok(()) => self.extract(requests).await,
                failed => failed,
            };
        }
        for step in builds {
            result = match result {
                Ok(()) => self.build(&step).await,
                failed => {
                    self.skip("build", "models").await;
                    failed
                }
            };
        }
        for export in exports.into_iter().flatten() {
            result = match result {
                Ok(()) => self.export(&export).await,
                failed => {
                    self.skip("export", &export.name).await;
                    failed
                }
            };
        }
        result
    }

    async fn extract(&mut self, requests: Vec<Request>) -> Result<(), Failure> {
        let began = Instant::now();
        let streams = counted(u64::try_from(requests.len()).unwrap_or(u64::MAX), "stream");
        self.house.printer.note(format_args!("extract: {streams}"));
        let reports = self.extract_with_retries(requests).await;
        self.report.phases[0] += began.elapsed();
        let steps: Vec<Step> = reports.iter().map(StreamReport::step).collect();
        self.history.steps(&steps).await;
        let doing = format!("job `{}`", self.job.name);
        let failure = extract::failure(&reports, &doing);
        let was_stopped = reports.iter().any(|report| report.ended == Ended::Stopped);
        let kept = extract::kept(&reports);
        self.report.streams.extend(reports);
        match failure {
            Some(failure) => Err(failure),
            None if was_stopped => Err(self.interrupted("its extract", kept)),
            None => Ok(()),
        }
    }

    /// Reads all streams, then those again whose vendor was busy, as often as the job allows.
    async fn extract_with_retries(&self, requests: Vec<Request>) -> Vec<StreamReport> {
        let extraction = Extraction::new(
            &self.house.warehouse,
            &self.report.run_id,
            self.house.clock,
            self.house.config.parallel_streams,
            self.stop,
            &self.house.printer,
        );
        let mut reports = extract::run(&extraction, &requests, 1).await;
        for attempt in 1_u32.. {
            let is_busy = |report: &StreamReport| matches!(&report.ended, Ended::Failed(f) if f.kind() == Kind::Busy);
            let is_hopeless = |report: &StreamReport| matches!(&report.ended, Ended::Failed(f) if f.kind() != Kind::Busy);
            let busy: Vec<Request> = requests
                .iter()
                .zip(&reports)
                .filter(|(_, report)| is_busy(report))
                .map(|(request, _)| request.clone())
                .collect();
            // One that needs somebody to act fails the run anyway.
            if busy.is_empty() || reports.iter().any(is_hopeless) || !self.wait(attempt).await {
                break;
            }
            let mut again = extract::run(&extraction, &busy, attempt + 1).await.into_iter();
            for report in reports.iter_mut().filter(|report| is_busy(report)) {
                if let Some(mut later) = again.next() {
                    later.add_earlier(report);
                    *report = later;
                }
            }
        }
        reports
    }

    /// Waits as the job's `retry` says; false when there is no further try.
    async fn wait(&self, attempt: u32) -> bool {
        let Some(wait) = self.job.retry.wait_after(attempt) else { return false };
        self.house.printer.note(format_args!(
            "busy; trying again in {} (try {} of {})",
            shown(wait),
            attempt + 1,
            self.job.retry.times + 1
        ));
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.stop.requested() => false,
        }
    }

    async fn build(&mut self, step: &spec::Build) -> Result<(), Failure> {
        let began = Instant::now();
        self.house.printer.note("build");
        let mut attempt = 1;
        let result = loop {
            // What this very run began goes on.
            let backfill = match &step.backfill {
                Some(_) if attempt > 1 => Some(Backfill::Resume),
                asked => asked.clone(),
            };
            let building = Building {
                warehouse: &self.house.warehouse,
                project: &self.house.project,
                environment: &step.environment,
                run_id: &self.report.run_id,
                whole: step.full,
                backfill: backfill.as_ref(),
                clock: self.house.clock,
                stop: self.stop,
                printer: &self.house.printer,
            };
            let built = build::run(&building, &step.models).await;
            let failure = match &built {
                Ok(built) => match &built.report {
                    Some(report) => build::failure(report),
                    None => Some(self.interrupted("its build", "nothing was published".to_owned())),
                },
                Err(failure) => Some(failure.clone().with_kept("nothing was published")),
            };
            if let Ok(built) = built {
                let steps = build::steps(&built, self.house.clock.now(), attempt);
                self.history.steps(&steps).await;
                self.report.builds.push(built);
            }
            match failure {
                Some(failure) if failure.kind() == Kind::Busy && self.wait(attempt).await => {
                    attempt += 1;
                }
                Some(failure) => break Err(failure),
                None => break Ok(()),
            }
        };
        self.report.phases[1] += began.elapsed();
        result
    }

    async fn export(&mut self, export: &Export) -> Result<(), Failure> {
        let began = Instant::now();
        let started_at = self.house.clock.now();
        let mut attempt = 1;
        let result = loop {
            let context = ExportContext {
                warehouse: &self.house.warehouse,
                project: &self.house.project,
                now: self.house.clock.now(),
                stop: self.stop,
                printer: &self.house.printer,
                run_id: &self.report.run_id,
            };
            let ran = Box::pin(export::run(&context, export))
                .await
                .with_context(|| format!("export `{}` stopped", export.name));
            match ran {
                Ok(report) => break Ok(report),
                Err(error) => {
                    let failure = Failure::of(&error).with_kept(
                        "what was acknowledged is remembered; the next run sends the rest",
                    );
                    if failure.kind() != Kind::Busy || !self.wait(attempt).await {
                        break Err(failure);
                    }
                    attempt += 1;
                }
            }
        };
        self.report.phases[2] += began.elapsed();
        let mut step = Step {
            kind: "export",
            name: export.name.clone(),
            started_at,
            finished_at: self.house.clock.now(),
            status: Status::Succeeded,
            attempt,
            rows: 0,
            bytes: 0,
            pages: 0,
            message: None,
        };
        let result = match result {
            Ok(report) => {
                step.rows = report.tally.acknowledged;
                step.pages = report.tally.calls;
                step.message.clone_from(&report.skipped);
                let line = export_line(&report);
                self.house.printer.note(format_args!("export\n  {line}"));
                self.house.printer.event(
                    "export",
                    serde_json::json!({
                        "name": report.name,
                        "destination": report.destination,
                        "rows": report.rows,
                        "unchanged": report.unchanged,
                        "held": report.held,
                        "calls": report.tally.calls,
                        "acknowledged": report.tally.acknowledged,
                        "rejected": report.tally.rejected,
                        "unsettled": report.tally.unsettled,
                        "status": if report.stopped { Status::Stopped } else { Status::Succeeded }.as_str(),
                    }),
                );
                let is_stopped = report.stopped;
                self.report.exports.push(report);
                if is_stopped {
                    step.status = Status::Stopped;
                    let kept = format!("{line}; the next run sends the rest");
                    Err(self.interrupted(&format!("export `{}`", export.name), kept))
                } else {
                    Ok(())
                }
            }
            Err(failure) => {
                step.status = Status::Failed;
                step.message = Some(failure.one_line());
                Err(failure)
            }
        };
        self.history.steps(&[step]).await;
        result
    }

    async fn skip(&mut self, kind: &'static str, name: &str) {
        let now = self.house.clock.now();
        let step = Step {
            kind,
            name: name.to_owned(),
            started_at: now,
            finished_at: now,
            status: Status::Skipped,
            attempt: 0,
            rows: 0,
            bytes: 0,
            pages: 0,
            message: Some("a step before it failed or was stopped".to_owned()),
        };
        self.history.steps(&[step]).await;
    }

    fn interrupted(&self, place: &str, kept: String) -> Failure {
        Failure::new(Kind::Interrupted, format!("job `{}` was stopped in {place}", self.job.name))
            .with_kept(kept)
            .with_hint("run it again to go on")
    }
}

/// One line about an export.
pub fn export_line(report: &ExportReport) -> String {
    let mut parts = vec![format!(
        "{} to {}: {} acknowledged in {}, {} unchanged",
        report.name,
        report.destination,
        counted(report.tally.acknowledged, "row"),
        counted(report.tally.calls, "call"),
        report.unchanged
    )];
    parts.extend(report.held.iter().map(|(reason, count)| format!("{count} held back ({reason})")));
    if report.resting > 0 {
        parts.push(format!("{} resting until the next night", report.resting));
    }
    if report.tally.rejected > 0 {
        parts.push(format!("{} refused, see `ops.export_errors`", report.tally.rejected));
    }
    if report.tally.unsettled > 0 {
        parts.push(format!("{} not settled yet", report.tally.unsettled));
    }
    parts.extend(report.skipped.iter().cloned());
    if report.stopped {
        parts.push("stopped".to_owned());
    }
    parts.join(", ")
}
