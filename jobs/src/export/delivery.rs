//! Sends changed rows in batches and writes down what became of each.
//!
//! The order is the whole point: submit, write the job id down, wait, write the acknowledgement.
//! A run that dies anywhere leaves either rows that count as never sent (sending an upsert again
//! does no harm) or a job id that the next run asks about before it sends anything.

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use anyhow::Result;
use connectors::{BatchLimits, Delivery, Destination, Outcome, Rejection, Submission};
use tokio::time::{Instant, sleep};

use super::state::{Acknowledgements, Key, RowState, Status};

/// Jobs that may be worked on by the vendor at the same time.
const JOBS_AHEAD: usize = 4;
/// How long a job may take before it is left to the next run.
const PATIENCE: Duration = Duration::from_mins(15);

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
    ) -> Self {
        let limits = destination.limits();
        Self {
            destination,
            state,
            limits,
            poll_every,
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

    /// Sends what is left and settles every job.
    pub(super) async fn finish(mut self) -> Result<Tally> {
        self.send().await?;
        while !self.outstanding.is_empty() {
            self.settle_oldest().await?;
        }
        Ok(self.tally)
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
            self.tally.calls += 1;
            match self.destination.submit(&batch).await? {
                Submission::Accepted { job_id } => {
                    let rows: Vec<_> = batch.iter().map(|d| self.state.fingerprint(d)).collect();
                    self.record(&rows, Status::Pending, Some(&job_id), None).await?;
                    self.outstanding.push_back(Outstanding { job_id, rows, since: Instant::now() });
                    Ok(())
                }
                Submission::Refused { rows, rejection } if rows.is_empty() => {
                    if batch.len() == 1 {
                        return self.reject(&batch, &rejection).await;
                    }
                    let rest = batch.split_off(batch.len() / 2);
                    self.submit(batch).await?;
                    self.submit(rest).await
                }
                Submission::Refused { rows, .. } => {
                    // Taken from the back, so that the positions in front stay true.
                    for (index, rejection) in rows.into_iter().rev() {
                        if index < batch.len() {
                            let culprit = batch.remove(index);
                            self.reject(&[culprit], &rejection).await?;
                        }
                    }
                    self.submit(batch).await
                }
            }
        })
    }

    async fn reject(&mut self, batch: &[Delivery], rejection: &Rejection) -> Result<()> {
        let rows: Vec<_> = batch.iter().map(|d| self.state.fingerprint(d)).collect();
        self.tally.rejected += count(&rows);
        self.record(&rows, Status::Rejected, None, Some(rejection)).await
    }

    /// Waits for the oldest job and writes down how each of its rows ended.
    async fn settle_oldest(&mut self) -> Result<()> {
        let Some(job) = self.outstanding.pop_front() else { return Ok(()) };
        let mut wait = self.poll_every;
        let outcome = loop {
            match self.destination.outcome(&job.job_id).await? {
                Outcome::Running if job.since.elapsed() < PATIENCE => {
                    sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(10));
                }
                outcome => break outcome,
            }
        };
        match outcome {
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
        let mut rest = job.rows;
        for (identifier, rejection) in rejected {
            let key = self.state.key(&identifier);
            let (culprits, others): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|(k, _)| *k == key);
            rest = others;
            self.tally.rejected += count(&culprits);
            self.record(&culprits, Status::Rejected, Some(&job.job_id), Some(&rejection)).await?;
        }
        if unnamed == 0 {
            self.tally.acknowledged += count(&rest);
            return self.record(&rest, Status::Acknowledged, Some(&job.job_id), None).await;
        }
        // Some of these did not arrive and the vendor does not say which: none is taken as done.
        let rejection = Rejection {
            code: "unnamed_failures".to_owned(),
            detail: format!("the job counts {unnamed} failures that it does not name"),
        };
        self.tally.unsettled += count(&rest);
        self.record(&rest, Status::Lost, Some(&job.job_id), Some(&rejection)).await
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
