//! Buffers of pages and the task that lands them.
//!
//! At most one buffer lands while the next one fills, so a stream holds two at the most, and the
//! bookmarks of a stream are committed in order.

use std::time::{Duration, Instant};

use connectors::Page;
use tokio::task::{JoinError, JoinHandle};
use warehouse::{Landed, Landing, Rejected};

use super::StreamReport;
use crate::{
    clock::Clock,
    failure::{Failure, Kind},
};

/// When a buffer is landed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) rows: usize,
    pub(super) bytes: usize,
    pub(super) age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 50_000, bytes: 64 << 20, age: Duration::from_secs(30) }
    }
}

/// Pages that were read and not landed yet.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    batches: Vec<arrow::record_batch::RecordBatch>,
    rejects: Vec<Rejected>,
    bookmark: Option<String>,
    rows: usize,
    bytes: usize,
    since: Option<Instant>,
}

impl Buffer {
    pub(super) fn add(&mut self, page: Page) {
        self.since.get_or_insert_with(Instant::now);
        self.rows += page.rows.num_rows();
        self.bytes += page.rows.get_array_memory_size();
        self.rejects.extend(page.rejects.into_iter().map(|reject| {
            self.bytes += reject.record.len();
            Rejected { record: reject.record, pointer: reject.pointer, reason: reject.reason }
        }));
        if page.rows.num_rows() > 0 {
            self.batches.push(page.rows);
        }
        self.bookmark = Some(page.bookmark.as_str().to_owned());
    }

    pub(super) fn is_due(&self, limits: Limits) -> bool {
        self.rows >= limits.rows
            || self.bytes >= limits.bytes
            || self.since.is_some_and(|since| since.elapsed() >= limits.age)
    }

    pub(super) fn has_rows(&self) -> bool {
        self.rows > 0 || !self.rejects.is_empty()
    }
}

/// A task that ends with the one that waits for it: a run that is dropped leaves nothing running.
#[derive(Debug)]
pub(super) struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    pub(super) fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    pub(super) async fn join(mut self) -> Result<T, JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

type Landings = (Landing, Result<Landed, warehouse::Error>);

/// A landing, idle or at work.
#[derive(Debug)]
pub(super) struct Lander {
    idle: Option<Landing>,
    working: Option<Task<Landings>>,
    bookmark: String,
    run_id: String,
    clock: Clock,
}

impl Lander {
    pub(super) fn new(landing: Landing, run_id: &str, clock: Clock) -> Self {
        let bookmark = landing.bookmark().unwrap_or_default().to_owned();
        Self { idle: Some(landing), working: None, bookmark, run_id: run_id.to_owned(), clock }
    }

    /// Where the stream stood when the landing was opened.
    pub(super) fn bookmark(&self) -> &str {
        &self.bookmark
    }

    /// Begins to land a buffer; waits for the one before.
    pub(super) async fn land(
        &mut self,
        buffer: Buffer,
        report: &mut StreamReport,
    ) -> Result<(), Failure> {
        let Some(bookmark) = buffer.bookmark else { return Ok(()) };
        self.finish(report).await?;
        let Some(mut landing) = self.idle.take() else {
            return Err(Failure::new(Kind::Bug, "a stream was landed after its landing failed"));
        };
        let (run_id, at) = (self.run_id.clone(), self.clock.now());
        let (batches, rejects) = (buffer.batches, buffer.rejects);
        self.working = Some(Task::spawn(async move {
            let landed = async {
                // In this order: a page whose rejects could not be kept is read again.
                if !rejects.is_empty() {
                    landing.reject(&rejects, &run_id, at).await?;
                }
                landing.land(&batches, &bookmark, &run_id, at).await
            };
            let landed = landed.await;
            (landing, landed)
        }));
        Ok(())
    }

    /// Waits for what is landing.
    pub(super) async fn finish(&mut self, report: &mut StreamReport) -> Result<(), Failure> {
        let Some(task) = self.working.take() else { return Ok(()) };
        let (landing, landed) = task.join().await.map_err(|error| {
            Failure::new(Kind::Bug, "landing a page broke down").with_cause(error.to_string())
        })?;
        let landed = landed?;
        self.idle = Some(landing);
        report.rows += landed.rows;
        report.unchanged += landed.unchanged;
        report.version = Some(landed.version);
        Ok(())
    }
}
