//! Extracting: pages of streams into raw tables, several streams at a time.
//!
//! The loop is read, buffer, land: the next page is read while the one before is written. A buffer
//! is landed when it is large or old, at the end of the stream, and when the run is stopped or the
//! stream fails, so that every page that was read is kept. One stream's failure leaves the others
//! alone.

mod landing;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::{Array as _, AsArray as _};
use chrono::{DateTime, Utc};
use connectors::{Bookmark, EXTRA, Page, Source, Stream, stream_schema};
use futures::StreamExt as _;
use warehouse::{LandingSpec, Warehouse};

use crate::{
    clock::Clock,
    excerpt,
    failure::{Failure, Kind},
    history::{Status, Step},
    quantity::{Grouped, counted, shown},
    report::Printer,
    stop::Stop,
};
use landing::{Buffer, Lander, Limits, Task};

/// Unknown fields named in a report.
const DRIFT_NAMES: usize = 5;

/// What an extract step works with.
#[derive(Debug, Clone)]
pub struct Extraction {
    /// Where pages land.
    pub warehouse: Warehouse,
    /// The run.
    pub run_id: String,
    /// The run's clock.
    pub clock: Clock,
    /// Streams at a time.
    pub parallel: usize,
    /// Asks to stop after the current page.
    pub stop: Stop,
    /// Tells people.
    pub printer: Printer,
    limits: Limits,
}

impl Extraction {
    /// The usual limits: 50,000 rows, 64 MB (less where memory is short), 30 s.
    pub fn new(
        warehouse: &Warehouse,
        run_id: &str,
        clock: Clock,
        parallel: usize,
        stop: &Stop,
        printer: &Printer,
    ) -> Self {
        // Each stream holds a buffer that fills and one that lands.
        let share = warehouse.options().memory_bytes / parallel.max(1) / 8;
        let limits = Limits { bytes: share.min(64 << 20), ..Limits::default() };
        Self {
            warehouse: warehouse.clone(),
            run_id: run_id.to_owned(),
            clock,
            parallel,
            stop: stop.clone(),
            printer: printer.clone(),
            limits,
        }
    }
}

/// One stream to read.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose.
    pub source: Arc<dyn Source>,
    /// Which.
    pub stream: &'static Stream,
}

impl Request {
    /// The streams of a source that are wanted; all of them when none is named.
    ///
    /// # Errors
    /// A config failure for a stream that the source does not have.
    pub fn all(source: &Arc<dyn Source>, wanted: &[String]) -> Result<Vec<Self>, Failure> {
        let known: Vec<&str> = source.streams().iter().map(|stream| stream.name).collect();
        if let Some(unknown) = wanted.iter().find(|wanted| !known.contains(&wanted.as_str())) {
            return Err(Failure::config(format!("`{}` has no stream `{unknown}`", source.name()))
                .with_hint(excerpt::known_hint(unknown, &known)));
        }
        let streams = source.streams().iter();
        Ok(streams
            .filter(|stream| wanted.is_empty() || wanted.iter().any(|name| name == stream.name))
            .map(|stream| Self { source: Arc::clone(source), stream })
            .collect())
    }

    /// `shopify.orders`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.source.name(), self.stream.name)
    }
}

/// What became of a stream.
#[derive(Debug, Clone)]
pub struct StreamReport {
    /// `shopify.orders`.
    pub name: String,
    /// Pages read.
    pub pages: u64,
    /// Rows read.
    pub read: u64,
    /// Rows added to raw.
    pub rows: u64,
    /// Rows read that were there already.
    pub unchanged: u64,
    /// Records put aside into `ops.rejects`.
    pub rejects: u64,
    /// Rows with fields that the declared schema does not know.
    pub drifted: u64,
    /// Some of those fields, as JSON pointers.
    pub drift: BTreeSet<String>,
    /// Bytes of the vendor's answers.
    pub bytes: u64,
    /// The raw table's version, once something landed.
    pub version: Option<i64>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// How long it took.
    pub elapsed: Duration,
    /// The try, from 1.
    pub attempt: u32,
    /// How it ended.
    pub ended: Ended,
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// At its end.
    Done,
    /// It was asked to stop; the next run goes on.
    Stopped,
    /// It failed; the next run goes on.
    Failed(Failure),
}

impl StreamReport {
    fn begin(name: String, now: DateTime<Utc>, attempt: u32) -> Self {
        Self {
            name,
            pages: 0,
            read: 0,
            rows: 0,
            unchanged: 0,
            rejects: 0,
            drifted: 0,
            drift: BTreeSet::new(),
            bytes: 0,
            version: None,
            started_at: now,
            finished_at: now,
            elapsed: Duration::ZERO,
            attempt,
            ended: Ended::Done,
        }
    }

    fn count(&mut self, page: &Page) {
        self.pages += 1;
        self.bytes += page.bytes;
        self.read += u64::try_from(page.rows.num_rows()).unwrap_or(u64::MAX);
        self.rejects += u64::try_from(page.rejects.len()).unwrap_or(u64::MAX);
        let Some(extra) = page.rows.column_by_name(EXTRA) else { return };
        let unknown = extra.len().saturating_sub(extra.null_count());
        self.drifted += u64::try_from(unknown).unwrap_or(u64::MAX);
        if unknown == 0 || self.drift.len() >= DRIFT_NAMES {
            return;
        }
        for text in extra.as_string_opt::<i32>().into_iter().flatten().flatten().take(DRIFT_NAMES) {
            if let Ok(fields) = serde_json::from_str::<serde_json::Map<String, _>>(text) {
                let fields: serde_json::Map<String, serde_json::Value> = fields;
                self.drift.extend(fields.into_iter().map(|(pointer, _)| pointer).take(DRIFT_NAMES));
            }
        }
    }

    /// Adds what an earlier try of the same stream brought.
    pub fn add_earlier(&mut self, earlier: &Self) {
        self.pages += earlier.pages;
        self.read += earlier.read;
        self.rows += earlier.rows;
        self.unchanged += earlier.unchanged;
        self.rejects += earlier.rejects;
        self.drifted += earlier.drifted;
        self.drift.extend(earlier.drift.iter().cloned());
        self.bytes += earlier.bytes;
        self.version = self.version.max(earlier.version);
        self.started_at = earlier.started_at;
        self.elapsed += earlier.elapsed;
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let mut parts = vec![format!(
            "{}: {} added, {} unchanged, {}, {}",
            self.name,
            counted(self.rows, "row"),
            Grouped(self.unchanged),
            counted(self.pages, "page"),
            shown(self.elapsed)
        )];
        if self.rejects > 0 {
            parts.push(format!("{} put aside in `ops.rejects`", counted(self.rejects, "record")));
        }
        if self.drifted > 0 {
            let names: Vec<&str> = self.drift.iter().map(String::as_str).collect();
            let rows = counted(self.drifted, "row");
            parts
                .push(format!("{rows} with unknown fields kept in `_extra`: {}", names.join(", ")));
        }
        match &self.ended {
            Ended::Done => {}
            Ended::Stopped => parts.push("stopped".to_owned()),
            Ended::Failed(failure) => parts.push(format!("failed: {failure}")),
        }
        parts.join("; ")
    }

    /// For `ops.steps`.
    pub fn step(&self) -> Step {
        let (status, message) = match &self.ended {
            Ended::Done => (Status::Succeeded, None),
            Ended::Stopped => (Status::Stopped, None),
            Ended::Failed(failure) => (Status::Failed, Some(failure.one_line())),
        };
        let drift =
            (self.drifted > 0).then(|| format!("{} rows with unknown fields", self.drifted));
        Step {
            kind: "extract",
            name: self.name.clone(),
            started_at: self.started_at,
            finished_at: self.finished_at,
            status,
            attempt: self.attempt,
            rows: self.rows,
            bytes: self.bytes,
            pages: self.pages,
            message: message.or(drift),
        }
    }
}

/// Reads the streams, several at a time, and tells what became of each, in the order asked.
pub async fn run(extraction: &Extraction, requests: &[Request], attempt: u32) -> Vec<StreamReport> {
    // Dealt out by turns, so that several vendors are asked at a time rather than one many times.
    let mut turns: Vec<(usize, usize, Request)> = Vec::with_capacity(requests.len());
    for (index, request) in requests.iter().enumerate() {
        let name = request.source.name();
        let turn = requests.iter().take(index).filter(|r| r.source.name() == name).count();
        turns.push((turn, index, request.clone()));
    }
    turns.sort_by_key(|(turn, index, _)| (*turn, *index));
    let tasks = turns.into_iter().map(|(_, index, request)| {
        let extraction = extraction.clone();
        async move {
            let name = request.name();
            // A task of its own: decoding one stream must not hold up the others.
            let task =
                Task::spawn(async move { read_stream(&extraction, &request, attempt).await });
            (index, task.join().await.map_err(|error| (name, error)))
        }
    });
    let mut reports: Vec<(usize, StreamReport)> = futures::stream::iter(tasks)
        .buffer_unordered(extraction.parallel.max(1))
        .map(|(index, ended)| match ended {
            Ok(report) => (index, report),
            Err((name, error)) => {
                let mut report = StreamReport::begin(name, extraction.clock.now(), attempt);
                let failure = Failure::new(Kind::Bug, "reading the stream broke down");
                report.ended = Ended::Failed(failure.with_cause(error.to_string()));
                (index, report)
            }
        })
        .collect()
        .await;
    reports.sort_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}

async fn read_stream(extraction: &Extraction, request: &Request, attempt: u32) -> StreamReport {
    let began = Instant::now();
    let mut report = StreamReport::begin(request.name(), extraction.clock.now(), attempt);
    if extraction.stop.is_requested() {
        report.ended = Ended::Stopped;
        return report;
    }
    report.ended = match Box::pin(follow(extraction, request, &mut report)).await {
        Ok(ended) => ended,
        Err(failure) => Ended::Failed(failure),
    };
    finish(extraction, report, began)
}

fn finish(extraction: &Extraction, mut report: StreamReport, began: Instant) -> StreamReport {
    report.elapsed = began.elapsed();
    report.finished_at = extraction.clock.now();
    extraction.printer.note(format_args!("  {}", report.line()));
    extraction.printer.event(
        "stream",
        serde_json::json!({
            "name": report.name,
            "rows": report.rows,
            "unchanged": report.unchanged,
            "pages": report.pages,
            "rejects": report.rejects,
            "drifted": report.drifted,
            "bytes": report.bytes,
            "status": report.step().status.as_str(),
            "milliseconds": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
        }),
    );
    report
}

async fn open(extraction: &Extraction, request: &Request) -> Result<Lander, Failure> {
    let spec = LandingSpec {
        source: request.source.name().to_owned(),
        stream: request.stream.name.to_owned(),
        key: request.stream.key.iter().map(|key| (*key).to_owned()).collect(),
        schema: stream_schema(request.stream),
    };
    let landing = extraction.warehouse.landing(&spec).await?;
    Ok(Lander::new(landing, &extraction.run_id, extraction.clock))
}

/// Reads page after page until the end, a failure, or a request to stop.
async fn follow(
    extraction: &Extraction,
    request: &Request,
    report: &mut StreamReport,
) -> Result<Ended, Failure> {
    let progress = extraction.printer.progress(&report.name);
    let mut lander = open(extraction, request).await?;
    let mut bookmark = Bookmark::from(lander.bookmark().to_owned());
    let mut buffer = Buffer::default();
    let now = extraction.clock.now();
    let ended = loop {
        let page = tokio::select! {
            biased;
            () = extraction.stop.requested() => break Ended::Stopped,
            page = request.source.read(request.stream, &bookmark, now) => page,
        };
        let page = match page {
            Ok(page) => page,
            Err(error) => break Ended::Failed(Failure::from(error)),
        };
        let more = page.more;
        if more && page.bookmark == bookmark {
            let message =
                format!("`{}` says that there is more, but does not move on", report.name);
            break Ended::Failed(Failure::new(Kind::Bug, message));
        }
        report.count(&page);
        progress.update(format_args!(
            "{} in {}",
            counted(report.read, "row"),
            counted(report.pages, "page")
        ));
        bookmark = page.bookmark.clone();
        buffer.add(page);
        if !more {
            break Ended::Done;
        }
        if buffer.is_due(extraction.limits) {
            lander.land(std::mem::take(&mut buffer), report).await?;
        }
    };
    lander.land(buffer, report).await?;
    lander.finish(report).await?;
    Ok(ended)
}

/// Lands answers that a vendor gave earlier and somebody saved. The bookmark stays where it is.
pub async fn run_files(
    extraction: &Extraction,
    requests: &[Request],
    folder: &Path,
) -> Vec<StreamReport> {
    let mut reports = Vec::with_capacity(requests.len());
    for request in requests {
        let began = Instant::now();
        let mut report = StreamReport::begin(request.name(), extraction.clock.now(), 1);
        report.ended = match Box::pin(land_files(extraction, request, folder, &mut report)).await {
            Ok(()) => Ended::Done,
            Err(failure) => Ended::Failed(failure),
        };
        reports.push(finish(extraction, report, began));
    }
    reports
}

async fn land_files(
    extraction: &Extraction,
    request: &Request,
    folder: &Path,
    report: &mut StreamReport,
) -> Result<(), Failure> {
    let (source, stream, folder) = (Arc::clone(&request.source), request.stream, folder.to_owned());
    let pages = tokio::task::spawn_blocking(move || source.read_files(stream, &folder))
        .await
        .map_err(|error| {
            Failure::new(Kind::Bug, "reading the files broke down").with_cause(error.to_string())
        })??;
    let mut lander = open(extraction, request).await?;
    let bookmark = Bookmark::from(lander.bookmark().to_owned());
    let mut buffer = Buffer::default();
    for page in pages {
        report.count(&page);
        buffer.add(Page { bookmark: bookmark.clone(), ..page });
        if buffer.is_due(extraction.limits) {
            lander.land(std::mem::take(&mut buffer), report).await?;
        }
    }
    if buffer.has_rows() {
        lander.land(buffer, report).await?;
    }
    lander.finish(report).await
}

/// All failures as one: what needs somebody to act comes first. `doing` heads it.
pub fn failure(reports: &[StreamReport], doing: &str) -> Option<Failure> {
    let mut failed: Vec<(&str, &Failure)> = reports
        .iter()
        .filter_map(|report| match &report.ended {
            Ended::Failed(failure) => Some((report.name.as_str(), failure)),
            Ended::Done | Ended::Stopped => None,
        })
        .collect();
    failed.sort_by_key(|(_, failure)| failure.kind() == Kind::Busy);
    let (first, cause) = failed.first().copied()?;
    let others = failed.len() - 1;
    let others = match others {
        0 => String::new(),
        1 => " and 1 more stream".to_owned(),
        _ => format!(" and {others} more streams"),
    };
    let mut failure = cause.clone().under(format!("{doing} stopped at `{first}`{others}"));
    let mut told = vec![cause.to_string()];
    for (name, other) in failed.iter().skip(1) {
        // One wrong token fails every stream of its vendor in the same words.
        if !told.contains(&other.to_string()) {
            told.push(other.to_string());
            failure = failure.with_cause(format!("`{name}`: {other}"));
        }
    }
    failure = failure.with_kept(kept(reports));
    Some(match failure.kind() {
        Kind::Busy => failure.with_hint("nothing is lost: run it again when the vendor answers"),
        Kind::Access => failure
            .with_hint("see that the secret in `inkhouse.toml` is right and has the scopes it needs, then run `inkhouse check --sources`"),
        _ => failure,
    })
}

/// What is in raw after a run that did not end well.
pub fn kept(reports: &[StreamReport]) -> String {
    let landed: Vec<&StreamReport> = reports.iter().filter(|r| r.version.is_some()).collect();
    let pages = landed.iter().map(|report| report.pages).sum();
    let rows = landed.iter().map(|report| report.rows).sum();
    let place = match landed.as_slice() {
        [] => return "nothing was landed; the next run starts where this one did".to_owned(),
        [one] => format!("`raw.{}` version {}", one.name, one.version.unwrap_or_default()),
        many => counted(u64::try_from(many.len()).unwrap_or(u64::MAX), "raw table"),
    };
    format!(
        "{}, {} in {place}; the next run goes on from there",
        counted(pages, "page"),
        counted(rows, "row")
    )
}
