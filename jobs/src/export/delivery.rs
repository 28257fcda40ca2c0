//! Sends changed rows in batches and writes down what became of each.
//!
//! The order is the whole point: submit, write the job id down, wait, write the acknowledgement.
//! A run that dies anywhere leaves either rows that count as never sent (sending an upsert again
//! does no harm) or a job id that the next run asks about before it sends anything. One that is
//! asked to stop leaves the same: it submits nothing more and waits for no job.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use connectors::{BatchLimits, Delivery, Destination, Outcome, Rejection, Submission};
use rustc_hash::FxHashMap;
use tokio::time::{Instant, sleep};

use crate::{quantity::counted, report::Progress, stop::Stop};

use super::state::{Acknowledgements, Key, RowState, Status};

/// Jobs that may be worked on by the vendor at the same time.
const JOBS_AHEAD: usize = 4;
/// How long a job may take before it is left to the next run.
const PATIENCE: Duration = Duration::from_mins(15);
/// How long a call that writes may go on once the run was asked to stop: its answer holds the job
/// id, without which the rows are sent again.
const LAST_WORD: Duration = Duration::from_secs(5);
/// What only reads is dropped as soon as the run is asked to stop.
pub(super) const AT_ONCE: Duration = Duration::ZERO;

/// What one export did, row by row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that wrote.
    pub calls: u64,
    /// Rows that the vendor acknowledged.
    pub acknowledged: u64,
    /// Rows that the vendor refused, with its reason in `ops.export_state`.
    pub rejected: u64,
    /// Rows sent whose job has not ended, or was lost; the next run goes on with them.
    pub unsettled: u64,
}

/// A batch that the vendor took and works on.
struct Outstanding {
    job_id: String,
    rows: Vec<(Key, u64)>,
    since: Instant,
}

/// One export's way out: collects rows, sends full batches, settles jobs.
pub(super) struct Courier<'a> {
    destination: Arc<dyn Destination>,
    state: &'a mut Acknowledgements,
    limits: BatchLimits,
    poll_every: Duration,
    stop: &'a Stop,
    progress: &'a Progress,
    compared: u64,
    is_stopped: bool,
    batch: Vec<Delivery>,
    batch_bytes: usize,
    outstanding: VecDeque<Outstanding>,
    tally: Tally,
}

impl<'a> Courier<'a> {
    pub(super) fn new(
        destination: Arc<dyn Destination>,
        state: &'a mut Acknowledgements,
        poll_every: Duration,
        stop: &'a Stop,
        progress: &'a Progress,
    ) -> Self {
        let limits = destination.limits();
        Self {
            destination,
            state,
            limits,
            poll_every,
            stop,
            progress,
            compared: 0,
            is_stopped: false,
            batch: Vec::new(),
            batch_bytes: 0,
            outstanding: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// What was acknowledged before, to compare with.
    pub(super) fn state(&self) -> &Acknowledgements {
        self.state
    }

    /// Shows how many rows were compared by now.
    pub(super) fn compared(&mut self, rows: u64) {
        self.compared = rows;
        self.tell();
    }

    fn tell(&self) {
        self.progress.update(format_args!(
            "{} compared, {} acknowledged in {}",
            counted(self.compared, "row"),
            counted(self.tally.acknowledged, "row"),
            counted(self.tally.calls, "call")
        ));
    }

    /// Whether the run was asked to stop; what is left undone then is told by [`Self::finish`].
    pub(super) fn is_stopping(&mut self) -> bool {
        self.is_stopped |= self.stop.is_requested();
        self.is_stopped
    }

    /// Does the work unless the run is asked to stop: then it has `grace` left, and nothing comes
    /// of it afterwards.
    pub(super) async fn unless_stopped<T>(
        &mut self,
        grace: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        if grace.is_zero() && self.is_stopping() {
            return None;
        }
        let stop = self.stop;
        let done = tokio::select! {
            biased;
            done = work => Some(done),
            () = async { stop.requested().await; sleep(grace).await } => None,
        };
        self.is_stopped |= done.is_none();
        done
    }

    /// Asks about the jobs that an earlier run left behind, before anything is sent.
    pub(super) async fn settle_earlier(&mut self) -> Result<()> {
        for (job_id, rows) in self.state.pending() {
            self.outstanding.push_back(Outstanding { job_id, rows, since: Instant::now() });
            self.settle_oldest().await?;
        }
        Ok(())
    }

    /// Adds one changed row; sends when the batch is full.
    pub(super) async fn add(&mut self, delivery: Delivery) -> Result<()> {
        let bytes = delivery.payload.len() + 1;
        if self.batch.len() >= self.limits.rows || self.batch_bytes + bytes > self.limits.bytes {
            self.send().await?;
        }
        self.batch_bytes += bytes;
        self.batch.push(delivery);
        Ok(())
    }

    /// Sends what is left and settles every job; also tells whether a stop left something undone.
    pub(super) async fn finish(mut self) -> Result<(Tally, bool)> {
        self.send().await?;
        while !self.outstanding.is_empty() {
            self.settle_oldest().await?;
        }
        Ok((self.tally, self.is_stopped))
    }

    async fn send(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        self.submit(batch).await?;
        while self.outstanding.len() >= JOBS_AHEAD {
            self.settle_oldest().await?;
        }
        Ok(())
    }

    /// Submits a batch; a refused one is cleared of the rows that the vendor named, or halved
    /// until the culprit stands alone.
    fn submit<'s>(
        &'s mut self,
        mut batch: Vec<Delivery>,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 's>> {
        Box::pin(async move {
            if batch.is_empty() {
                return Ok(());
            }
            if self.is_stopping() {
                // Never sent, as far as the state knows: the next run finds them changed again.
                return Ok(());
            }
            self.tally.calls += 1;
            let destination = Arc::clone(&self.destination);
            let submitting = destination.submit(&batch);
            let Some(submission) = self.unless_stopped(LAST_WORD, submitting).await else {
                return Ok(());
            };
            match submission? {
                Submission::Accepted { job_id } => {
                    let rows: Vec<_> = batch.iter().map(|d| self.state.fingerprint(d)).collect();
                    self.record(&rows, Status::Pending, Some(&job_id), None).await?;
                    self.outstanding.push_back(Outstanding { job_id, rows, since: Instant::now() });
                    self.tell();
                    Ok(())
                }
                Submission::Refused { rows, rejection } => {
                    let culprits: BTreeMap<usize, Rejection> =
                        rows.into_iter().filter(|(index, _)| *index < batch.len()).collect();
                    if !culprits.is_empty() {
                        let rest = self.clear(batch, &culprits).await?;
                        return self.submit(rest).await;
                    }
                    if batch.len() == 1 {
                        let all = BTreeMap::from([(0, rejection)]);
                        return self.clear(batch, &all).await.map(drop);
                    }
                    let rest = batch.split_off(batch.len() / 2);
                    self.submit(batch).await?;
                    self.submit(rest).await
                }
            }
        })
    }

    /// Writes down the rows at these places as refused, in one commit; gives back the others.
    async fn clear(
        &mut self,
        batch: Vec<Delivery>,
        culprits: &BTreeMap<usize, Rejection>,
    ) -> Result<Vec<Delivery>> {
        let mut rest = Vec::with_capacity(batch.len());
        let mut states = Vec::with_capacity(culprits.len());
        for (index, delivery) in batch.into_iter().enumerate() {
            let Some(rejection) = culprits.get(&index) else {
                rest.push(delivery);
                continue;
            };
            let (key, payload_hash) = self.state.fingerprint(&delivery);
            let state = RowState::new(key, payload_hash, Status::Rejected, None, Some(rejection));
            states.push(state);
        }
        self.tally.rejected += count(&states);
        self.state.record(states).await?;
        Ok(rest)
    }

    /// Waits for the oldest job and writes down how each of its rows ended. When the run is asked
    /// to stop, the job stays as it was written down, for the next run to ask about.
    async fn settle_oldest(&mut self) -> Result<()> {
        let Some(job) = self.outstanding.pop_front() else { return Ok(()) };
        let (destination, poll_every) = (Arc::clone(&self.destination), self.poll_every);
        let waiting = async {
            let mut wait = poll_every;
            loop {
                match destination.outcome(&job.job_id).await? {
                    Outcome::Running if job.since.elapsed() < PATIENCE => {
                        sleep(wait).await;
                        wait = (wait * 2).min(Duration::from_secs(10));
                    }
                    outcome => break Ok::<_, connectors::Error>(outcome),
                }
            }
        };
        let outcome = self.unless_stopped(AT_ONCE, waiting).await;
        match outcome.transpose()?.unwrap_or(Outcome::Running) {
            Outcome::Running => {
                self.tally.unsettled += count(&job.rows);
                Ok(())
            }
            Outcome::Lost { reason } => {
                let rejection = Rejection { code: "job_lost".to_owned(), detail: reason };
                self.tally.unsettled += count(&job.rows);
                self.record(&job.rows, Status::Lost, Some(&job.job_id), Some(&rejection)).await
            }
            Outcome::Done { rejected, unnamed } => self.settle(job, rejected, unnamed).await,
        }
    }

    async fn settle(
        &mut self,
        job: Outstanding,
        rejected: Vec<(String, Rejection)>,
        unnamed: u64,
    ) -> Result<()> {
        let reasons: FxHashMap<Key, Rejection> =
            rejected.into_iter().map(|(name, reason)| (self.state.key(&name), reason)).collect();
        // A name that is no row of the job is as good as none.
        let found = job.rows.iter().filter(|(key, _)| reasons.contains_key(key)).count();
        let unnamed =
            unnamed + u64::try_from(reasons.len().saturating_sub(found)).unwrap_or(u64::MAX);
        // Some of these did not arrive and the vendor does not say which: none is taken as done.
        let lost = (unnamed > 0).then(|| Rejection {
            code: "unnamed_failures".to_owned(),
            detail: format!("the job counts {unnamed} failures that it does not name"),
        });
        let mut states = Vec::with_capacity(job.rows.len());
        for (key, payload_hash) in &job.rows {
            let (status, tally, reason) = match (reasons.get(key), &lost) {
                (Some(reason), _) => (Status::Rejected, &mut self.tally.rejected, Some(reason)),
                (None, Some(lost)) => (Status::Lost, &mut self.tally.unsettled, Some(lost)),
                (None, None) => (Status::Acknowledged, &mut self.tally.acknowledged, None),
            };
            *tally += 1;
            states.push(RowState::new(*key, *payload_hash, status, Some(&job.job_id), reason));
        }
        self.tell();
        self.state.record(states).await
    }

    async fn record(
        &mut self,
        rows: &[(Key, u64)],
        status: Status,
        job_id: Option<&str>,
        rejection: Option<&Rejection>,
    ) -> Result<()> {
        let states: Vec<_> = rows
            .iter()
            .map(|(key, payload_hash)| {
                RowState::new(*key, *payload_hash, status, job_id, rejection)
            })
            .collect();
        self.state.record(states).await
    }
}

fn count<T>(rows: &[T]) -> u64 {
    u64::try_from(rows.len()).unwrap_or(u64::MAX)
}
