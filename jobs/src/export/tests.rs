//! A pretended vendor over a warehouse in memory: what is sent, what is remembered, what is not
//! sent again.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{array::AsArray as _, record_batch::RecordBatch};
use async_trait::async_trait;
use connectors::{BatchLimits, Outcome, Rejection, Submission};
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use tokio::sync::Notify;
use warehouse::{BuildOptions, ModelSource};

use super::*;
use crate::{failure::Failure, stop::Reason};

const NIGHT: &str = "2026-11-01T06:00:00Z";
const NEXT_NIGHT: &str = "2026-11-02T06:00:00Z";

/// How the vendor answers the next question about a job; done and well when the script is over.
#[derive(Debug)]
enum Answer {
    Running,
    Rejected(&'static str),
    Unnamed(u64),
    Lost,
    Fails,
    /// Never.
    Hangs,
}

/// A vendor in memory that does as it is told.
#[derive(Debug, Default)]
struct Vendor {
    rows: Mutex<Vec<Mapped>>,
    suppressed: Vec<String>,
    /// Makes the vendor refuse a batch that it is in.
    malformed: Option<&'static str>,
    /// Whether a refusal says which row is malformed.
    names_rows: bool,
    answers: Mutex<VecDeque<Answer>>,
    /// Asks the run to stop while this call is answered.
    stop_at_call: Option<(u64, Stop)>,
    calls: AtomicU64,
    taken: Mutex<Vec<Vec<String>>>,
    asked: Mutex<Vec<String>>,
    was_asked: Notify,
}

impl Vendor {
    fn with(people: &[(&str, &str)]) -> Self {
        let vendor = Self::default();
        vendor.says(people);
        vendor
    }

    /// What the model says from now on: identifiers and payloads.
    fn says(&self, people: &[(&str, &str)]) {
        let rows = people.iter().map(|(identifier, payload)| {
            let (identifier, payload) = ((*identifier).to_owned(), (*payload).to_owned());
            Mapped::Row(Delivery { identifier, payload })
        });
        *held(&self.rows) = rows.collect();
    }

    fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        held(&self.answers).extend(answers);
    }

    /// Everybody who arrived in an accepted batch since this was asked last.
    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut *held(&self.taken)).concat()
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *held(&self.asked))
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn rejection(code: &str) -> Rejection {
    Rejection { code: code.to_owned(), detail: "no".to_owned() }
}

#[async_trait]
impl Destination for Vendor {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn account(&self) -> &'static str {
        "main"
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { rows: 8, bytes: 1000, row_bytes: 100 }
    }

    async fn check(&self) -> connectors::Result<String> {
        Ok("fake".to_owned())
    }

    fn map(&self, rows: &RecordBatch) -> connectors::Result<Vec<Mapped>> {
        Ok(if rows.num_rows() == 0 { Vec::new() } else { held(&self.rows).clone() })
    }

    async fn suppressed(&self) -> connectors::Result<HashSet<String>> {
        Ok(self.suppressed.iter().cloned().collect())
    }

    async fn submit(&self, batch: &[Delivery]) -> connectors::Result<Submission> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some((_, stop)) = self.stop_at_call.as_ref().filter(|(at, _)| *at == number) {
            stop.request(Reason::Signal);
        }
        let culprit = self
            .malformed
            .and_then(|malformed| batch.iter().position(|row| row.identifier == malformed));
        if let Some(culprit) = culprit {
            let named = self.names_rows.then(|| (culprit, rejection("malformed")));
            let rows = named.into_iter().collect();
            return Ok(Submission::Refused { rows, rejection: rejection("refused") });
        }
        held(&self.taken).push(batch.iter().map(|row| row.identifier.clone()).collect());
        Ok(Submission::Accepted { job_id: format!("job-{number}") })
    }

    async fn outcome(&self, job_id: &str) -> connectors::Result<Outcome> {
        held(&self.asked).push(job_id.to_owned());
        let answer = held(&self.answers).pop_front();
        self.was_asked.notify_one();
        let done = |rejected, unnamed| Outcome::Done { rejected, unnamed };
        Ok(match answer {
            None => done(Vec::new(), 0),
            Some(Answer::Running) => Outcome::Running,
            Some(Answer::Rejected(who)) => done(vec![(who.to_owned(), rejection("taken"))], 0),
            Some(Answer::Unnamed(count)) => done(Vec::new(), count),
            Some(Answer::Lost) => Outcome::Lost { reason: "gone".to_owned() },
            Some(Answer::Fails) => {
                return Err(
                    connectors::registry::source("nobody", serde_json::Value::Null).unwrap_err()
                );
            }
            Some(Answer::Hangs) => std::future::pending().await,
        })
    }
}

/// A warehouse with one export model; what it says is the vendor's to script.
struct House {
    warehouse: Warehouse,
    project: Project,
    stop: Stop,
}

impl House {
    async fn new() -> Self {
        let url = "memory:///".parse().unwrap();
        let warehouse =
            Warehouse::open(&url, &BTreeMap::new(), warehouse::Options::default()).unwrap();
        let model = "-- One row per person.\n--! kind = 'full'\n--! destination = 'fake'\n\
                     --! object = 'person'\nselect people.email from (values ('a')) as people (email)\n";
        let source = ModelSource { path: "exports/people.sql".to_owned(), text: model.to_owned() };
        let project = Project::load(vec![source]).unwrap();
        let options = BuildOptions {
            environment: warehouse::Environment::default(),
            whole: false,
            backfill: None,
            select: Vec::new(),
            run_id: "build".to_owned(),
            now: NIGHT.parse().unwrap(),
            parallel: 1,
            on_event: Arc::new(|_| {}),
        };
        let built = warehouse.build(&project, &BTreeMap::new(), &options).await.unwrap();
        assert!(built.is_ok(), "{built:#?}");
        Self { warehouse, project, stop: Stop::default() }
    }

    async fn try_deliver(&self, vendor: &Arc<Vendor>, now: &str) -> Result<ExportReport> {
        let destination: Arc<dyn Destination> = Arc::<Vendor>::clone(vendor);
        let export = Export { name: "people".to_owned(), destination };
        let context = ExportContext {
            warehouse: &self.warehouse,
            project: &self.project,
            now: now.parse().unwrap(),
            stop: &self.stop,
            run_id: "run",
            printer: &Printer::silent(),
        };
        Box::pin(run(&context, &export)).await
    }

    async fn deliver(&self, vendor: &Arc<Vendor>, now: &str) -> ExportReport {
        self.try_deliver(vendor, now).await.unwrap()
    }

    /// Runs until the vendor is asked about a job, and dies there.
    async fn die_while_waiting(&self, vendor: &Arc<Vendor>) {
        vendor.answers([Answer::Hangs]);
        tokio::select! {
            ended = self.try_deliver(vendor, NIGHT) => panic!("did not wait: {ended:?}"),
            () = vendor.was_asked.notified() => {}
        }
        // The lock of a process that is gone holds nobody up; this process lives.
        let objects = self.warehouse.store().objects();
        let locks = object_store::path::Path::from("_inkhouse/lock");
        let locks: Vec<_> = objects.list(Some(&locks)).try_collect().await.unwrap();
        assert_eq!(locks.len(), 1);
        objects.delete(&locks[0].location).await.unwrap();
    }

    /// `pending job-1` of every row, sorted.
    async fn states(&self) -> Vec<String> {
        let sql = "select concat_ws(' ', status, job_id, error_code) as state \
                   from ops.export_state order by state";
        let stream = self.warehouse.query(&self.project, sql, &ReadAt::default()).await.unwrap();
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        let texts = batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>().iter());
        texts.flatten().map(str::to_owned).collect()
    }
}

const THREE: [(&str, &str); 3] = [("ann", "{1}"), ("ben", "{2}"), ("cid", "{3}")];

#[tokio::test]
async fn a_job_is_written_down_before_it_is_waited_for_and_a_dead_run_is_settled_by_the_next() {
    let house = House::new().await;
    let vendor = Arc::new(Vendor::with(&THREE));
    house.die_while_waiting(&vendor).await;
    assert_eq!(house.states().await, ["pending job-1"; 3]);
    assert_eq!((vendor.sent().len(), vendor.asked()), (3, vec!["job-1".to_owned()]));

    let report = house.deliver(&vendor, NIGHT).await;
    assert_eq!(vendor.asked(), ["job-1"], "the next run asks by the job's id");
    assert_eq!(vendor.sent(), [""; 0], "and sends nothing again");
    assert_eq!((report.tally.calls, report.tally.acknowledged, report.unchanged), (0, 3, 3));
    assert_eq!(house.states().await, ["acknowledged job-1"; 3]);
}

#[tokio::test]
async fn a_failing_question_about_a_job_leaves_it_to_the_next_run() {
    let house = House::new().await;
    let vendor = Arc::new(Vendor::with(&THREE));
    vendor.answers([Answer::Running, Answer::Fails]);
    house.try_deliver(&vendor, NIGHT).await.unwrap_err();
    assert_eq!(house.states().await, ["pending job-1"; 3]);
    assert_eq!(vendor.sent().len(), 3);

    let report = house.deliver(&vendor, NIGHT).await;
    assert_eq!((report.tally.calls, report.tally.acknowledged), (0, 3));
    assert_eq!(vendor.sent(), [""; 0]);
}

#[tokio::test]
async fn only_what_changed_goes_out_again() {
    let house = House::new().await;
    let vendor = Arc::new(Vendor::with(&THREE));
    let first = house.deliver(&vendor, NIGHT).await;
    assert_eq!((first.rows, first.tally.calls, first.tally.acknowledged), (3, 1, 3));
    assert_eq!(vendor.sent(), ["ann", "ben", "cid"]);

    let second = house.deliver(&vendor, NEXT_NIGHT).await;
    assert_eq!((second.unchanged, second.tally), (3, Tally::default()));

    vendor.says(&[("ann", "{1}"), ("ben", "{two}"), ("cid", "{3}"), ("dan", "{4}")]);
    let third = house.deliver(&vendor, NEXT_NIGHT).await;
    assert_eq!((third.unchanged, third.tally.acknowledged), (2, 2));
    assert_eq!(vendor.sent(), ["ben", "dan"]);
}

#[tokio::test]
async fn a_named_row_is_taken_out_of_a_refused_batch_and_its_neighbours_arrive() {
    let house = House::new().await;
    let vendor =
        Arc::new(Vendor { malformed: Some("ben"), names_rows: true, ..Vendor::with(&THREE) });
    let report = house.deliver(&vendor, NIGHT).await;
    assert_eq!(vendor.sent(), ["ann", "cid"]);
    let tally = Tally { calls: 2, acknowledged: 2, rejected: 1, unsettled: 0 };
    assert_eq!(report.tally, tally);
    let want = ["acknowledged job-2", "acknowledged job-2", "rejected malformed"];
    assert_eq!(house.states().await, want);
}

#[tokio::test]
async fn a_batch_refused_without_names_is_halved_until_the_culprit_stands_alone() {
    let house = House::new().await;
    let people = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| (name, "{}"));
    let vendor = Arc::new(Vendor { malformed: Some("f"), ..Vendor::with(&people) });
    let report = house.deliver(&vendor, NIGHT).await;
    // 8 refused, 4 taken, 4 refused, 2 refused, 1 taken, 1 refused, 2 taken.
    let tally = Tally { calls: 7, acknowledged: 7, rejected: 1, unsettled: 0 };
    assert_eq!(report.tally, tally);
    assert_eq!(vendor.sent(), ["a", "b", "c", "d", "e", "g", "h"]);
    assert_eq!(house.states().await.last().unwrap(), "rejected refused");
}

#[tokio::test]
async fn whom_the_vendor_suppresses_and_who_comes_twice_is_held_back() {
    let house = House::new().await;
    let people = [("ann", "{1}"), ("gone", "{2}"), ("ann", "{3}")];
    let vendor = Arc::new(Vendor { suppressed: vec!["gone".to_owned()], ..Vendor::with(&people) });
    held(&vendor.rows).push(Mapped::Held { identifier: "eve".to_owned(), reason: Hold::NoConsent });
    let report = house.deliver(&vendor, NIGHT).await;
    assert_eq!(vendor.sent(), ["ann"]);
    let held = BTreeMap::from([("duplicate", 1), ("no_consent", 1), ("suppressed", 1)]);
    assert_eq!((report.rows, report.held), (4, held));
    assert_eq!(house.states().await, ["acknowledged job-1"]);
}

#[tokio::test]
async fn what_may_not_have_arrived_goes_out_again_the_next_time() {
    for answer in [Answer::Lost, Answer::Unnamed(1)] {
        let house = House::new().await;
        let vendor = Arc::new(Vendor::with(&THREE));
        let code = if matches!(answer, Answer::Lost) { "job_lost" } else { "unnamed_failures" };
        vendor.answers([answer]);
        let report = house.deliver(&vendor, NIGHT).await;
        assert_eq!((report.tally.acknowledged, report.tally.unsettled), (0, 3));
        assert_eq!(house.states().await, vec![format!("lost job-1 {code}"); 3]);
        vendor.sent();

        let report = house.deliver(&vendor, NIGHT).await;
        assert_eq!(vendor.sent(), ["ann", "ben", "cid"]);
        assert_eq!((report.tally.acknowledged, report.tally.unsettled), (3, 0));
    }
}

#[tokio::test]
async fn a_rejected_row_rests_and_goes_out_again_after_twenty_hours() {
    let house = House::new().await;
    let vendor = Arc::new(Vendor::with(&THREE));
    vendor.answers([Answer::Rejected("ben")]);
    let report = house.deliver(&vendor, NIGHT).await;
    assert_eq!((report.tally.acknowledged, report.tally.rejected), (2, 1));
    let want = ["acknowledged job-1", "acknowledged job-1", "rejected job-1 taken"];
    assert_eq!(house.states().await, want);
    vendor.sent();

    let report = house.deliver(&vendor, "2026-11-02T01:59:59Z").await;
    assert_eq!((report.resting, report.tally), (1, Tally::default()));
    let report = house.deliver(&vendor, "2026-11-02T02:00:00Z").await;
    assert_eq!((vendor.sent(), report.tally.acknowledged), (vec!["ben".to_owned()], 1));

    // A payload that changed does not have to rest.
    vendor.says(&[("ann", "{one}")]);
    vendor.answers([Answer::Rejected("ann")]);
    house.deliver(&vendor, NEXT_NIGHT).await;
    vendor.says(&[("ann", "{uno}")]);
    assert_eq!(house.deliver(&vendor, NEXT_NIGHT).await.tally.acknowledged, 1);
}

#[tokio::test]
async fn a_stop_while_a_job_runs_ends_the_run_at_once_and_leaves_the_job_to_the_next() {
    let mut house = House::new().await;
    let vendor = Arc::new(Vendor::with(&THREE));
    vendor.answers([Answer::Running, Answer::Running, Answer::Hangs]);
    let stop = house.stop.clone();
    let (report, ()) = tokio::join!(house.deliver(&vendor, NIGHT), async {
        vendor.was_asked.notified().await;
        stop.request(Reason::Signal);
    });
    assert!(report.stopped, "{report:?}");
    assert_eq!((report.tally.calls, report.tally.unsettled), (1, 3));
    assert_eq!(house.states().await, ["pending job-1"; 3]);
    assert_eq!(vendor.sent().len(), 3);

    // A run that is stopped from its start asks nobody and sends nothing.
    vendor.says(&[("dan", "{4}")]);
    vendor.asked();
    let report = house.deliver(&vendor, NIGHT).await;
    assert_eq!((report.stopped, report.rows, report.skipped), (true, 0, None));
    assert_eq!((vendor.sent().len(), report.tally.calls), (0, 0));
    assert_eq!(house.states().await, ["pending job-1"; 3]);

    house.stop = Stop::default();
    held(&vendor.answers).clear();
    let report = house.deliver(&vendor, NIGHT).await;
    assert_eq!((report.stopped, report.tally.acknowledged), (false, 4));
    assert_eq!(vendor.sent(), ["dan"]);
}

#[tokio::test]
async fn after_a_stop_nothing_more_is_submitted_and_the_call_under_way_is_written_down() {
    let mut house = House::new().await;
    let names: Vec<String> = (0..40).map(|number| format!("p{number:02}")).collect();
    let people: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "{}")).collect();
    let stop_at_call = Some((2, house.stop.clone()));
    let vendor = Arc::new(Vendor { stop_at_call, ..Vendor::with(&people) });
    let report = house.deliver(&vendor, NIGHT).await;
    assert!(report.stopped, "{report:?}");
    assert_eq!((report.tally.calls, vendor.sent().len()), (2, 16));
    let states = house.states().await;
    assert_eq!(states.len(), 16);
    assert!(states.iter().all(|state| state.starts_with("pending job-")), "{states:?}");

    house.stop = Stop::default();
    let report = house.deliver(&vendor, NIGHT).await;
    assert_eq!((vendor.sent().len(), report.tally.acknowledged), (24, 40));
}

#[tokio::test]
async fn a_second_delivery_to_the_same_account_is_refused_as_busy_and_sends_nothing() {
    let house = House::new().await;
    let vendor = Arc::new(Vendor::with(&THREE));
    vendor.answers([Answer::Running, Answer::Running]);
    let (first, ()) = tokio::join!(house.deliver(&vendor, NIGHT), async {
        vendor.was_asked.notified().await;
        let refused = Failure::of(&house.try_deliver(&vendor, NIGHT).await.unwrap_err());
        assert_eq!(refused.kind().exit_code(), 75);
        assert!(refused.hint().unwrap().contains("wait for it to end"), "{refused:?}");
    });
    assert_eq!((first.tally.calls, vendor.sent().len()), (1, 3));
    assert_eq!(house.deliver(&vendor, NIGHT).await.unchanged, 3, "it was let go");

    vendor.says(&[("dan", "{4}")]);
    vendor.answers([Answer::Fails]);
    house.try_deliver(&vendor, NIGHT).await.unwrap_err();
    assert_eq!(house.deliver(&vendor, NIGHT).await.tally.acknowledged, 1, "also by a failed run");
}
