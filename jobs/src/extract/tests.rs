//! A pretended source over a warehouse in memory: pages, kills, failures, repeats.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use arrow::{array::StringArray, record_batch::RecordBatch};
use async_trait::async_trait;
use connectors::{Field, Kind as FieldKind, Record, Reject};

use super::*;

static RECORD: Record =
    Record { fields: &[Field::new("id", FieldKind::Text), Field::new("name", FieldKind::Text)] };
static STREAMS: [Stream; 2] = [
    Stream { name: "things", key: &["id"], record: &RECORD, context: &[] },
    Stream { name: "others", key: &["id"], record: &RECORD, context: &[] },
];
const PAGES: u64 = 9;

/// Nine pages of three rows; asks to stop, or fails, at a given read.
#[derive(Debug, Default)]
struct Fake {
    reads: AtomicU64,
    stop_at: Option<(u64, Stop)>,
    fail_at: Option<u64>,
}

#[async_trait]
impl Source for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn streams(&self) -> &'static [Stream] {
        &STREAMS
    }

    async fn check(&self) -> connectors::Result<String> {
        Ok("fake".to_owned())
    }

    async fn read(
        &self,
        stream: &Stream,
        bookmark: &Bookmark,
        _now: DateTime<Utc>,
    ) -> connectors::Result<Page> {
        let read = self.reads.fetch_add(1, Ordering::SeqCst) + 1;
        if stream.name == "things" {
            if let Some((at, stop)) = &self.stop_at
                && read == *at
            {
                stop.request(crate::stop::Reason::Signal);
            }
            if self.fail_at == Some(read) {
                return Err(
                    connectors::registry::source("nobody", serde_json::Value::Null).unwrap_err()
                );
            }
        }
        let page: u64 = bookmark.as_str().parse().unwrap_or(0);
        let ids: Vec<String> = (0..3).map(|row| format!("{}", page * 3 + row)).collect();
        let extra = (page == 2).then_some("{\"/new\":1}");
        let columns: Vec<arrow::array::ArrayRef> = vec![
            Arc::new(StringArray::from(ids.clone())),
            Arc::new(StringArray::from(vec![Some("n"); 3])),
            Arc::new(StringArray::from(vec![extra; 3])),
            Arc::new(arrow::array::Int64Array::from(vec![1_i64; 3])),
        ];
        let rejects = if page == 4 {
            vec![Reject {
                record: "{}".to_owned(),
                pointer: "/id".to_owned(),
                reason: "missing".to_owned(),
            }]
        } else {
            Vec::new()
        };
        Ok(Page {
            rows: RecordBatch::try_new(stream_schema(stream), columns).unwrap(),
            rejects,
            bookmark: Bookmark::from((page + 1).min(PAGES - 1).to_string()),
            more: page + 1 < PAGES,
            bytes: 100,
        })
    }
}

fn house() -> Warehouse {
    let url = "memory:///".parse().unwrap();
    Warehouse::open(&url, &BTreeMap::new(), warehouse::Options::default()).unwrap()
}

fn extraction(house: &Warehouse, stop: &Stop) -> Extraction {
    let clock = Clock::Frozen("2026-11-01T06:00:00Z".parse().unwrap());
    let mut extraction = Extraction::new(house, "run", clock, 4, stop, &Printer::silent());
    extraction.limits = Limits { rows: 4, ..extraction.limits };
    extraction
}

fn requests(fake: Fake) -> Vec<Request> {
    let source: Arc<dyn Source> = Arc::new(fake);
    STREAMS.iter().map(|stream| Request { source: Arc::clone(&source), stream }).collect()
}

async fn ids(house: &Warehouse) -> Vec<String> {
    let name = "raw.fake.things".parse().unwrap();
    let Some(snapshot) = house.table(&name).snapshot().await.unwrap() else { return Vec::new() };
    let frame = house.session().unwrap().read_table(snapshot.provider().unwrap()).unwrap();
    let mut ids = Vec::new();
    for batch in frame.collect().await.unwrap() {
        let column = batch.column_by_name("id").unwrap();
        ids.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    ids.sort();
    ids
}

#[tokio::test]
async fn every_page_lands_once_with_its_rejects_and_drift_is_counted() {
    let (house, stop) = (house(), Stop::default());
    let reports = run(&extraction(&house, &stop), &requests(Fake::default()), 1).await;
    let things = &reports[0];
    assert_eq!((things.rows, things.pages, things.rejects, things.drifted), (27, 9, 1, 3));
    assert_eq!(things.ended, Ended::Done);
    assert_eq!(ids(&house).await.len(), 27);
    assert!(things.line().contains("/new"), "{}", things.line());

    let again = run(&extraction(&house, &stop), &requests(Fake::default()), 1).await;
    assert_eq!((again[0].rows, again[0].unchanged), (0, 3), "{}", again[0].line());
    assert_eq!(ids(&house).await.len(), 27);
}

#[tokio::test]
async fn a_run_stopped_at_any_page_and_begun_again_leaves_the_same_tables() {
    let calm = house();
    run(&extraction(&calm, &Stop::default()), &requests(Fake::default()), 1).await;
    let want = ids(&calm).await;
    for at in 1..=PAGES {
        let house = house();
        let stop = Stop::default();
        let fake = Fake { stop_at: Some((at, stop.clone())), ..Fake::default() };
        let requests_ = requests(fake);
        let reports = run(&extraction(&house, &stop), &requests_[..1], 1).await;
        assert_eq!(reports[0].pages, at, "the page under way is kept");
        let done = if at == PAGES { Ended::Done } else { Ended::Stopped };
        assert_eq!(reports[0].ended, done);
        run(&extraction(&house, &Stop::default()), &requests(Fake::default()), 1).await;
        assert_eq!(ids(&house).await, want, "stopped at {at}");
    }
}

#[tokio::test]
async fn a_run_dropped_between_pages_and_begun_again_leaves_the_same_tables() {
    let calm = house();
    run(&extraction(&calm, &Stop::default()), &requests(Fake::default()), 1).await;
    let want = ids(&calm).await;
    for turns in [1_u32, 3, 10, 30, 100, 300] {
        let house = house();
        let (extraction, requests_) =
            (extraction(&house, &Stop::default()), requests(Fake::default()));
        let things = vec![requests_[0].clone()];
        let running = tokio::spawn(async move { run(&extraction, &things, 1).await });
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        running.abort();
        running.await.ok();
        run(&self::extraction(&house, &Stop::default()), &requests(Fake::default()), 1).await;
        assert_eq!(ids(&house).await, want, "dropped after {turns} turns");
    }
}

#[tokio::test]
async fn a_failing_stream_keeps_what_it_read_and_leaves_the_others_alone() {
    let (house, stop) = (house(), Stop::default());
    let mut one = extraction(&house, &stop);
    one.parallel = 1;
    let reports = run(&one, &requests(Fake { fail_at: Some(5), ..Fake::default() }), 1).await;
    assert_eq!((reports[0].pages, reports[0].rows), (4, 12));
    assert!(matches!(reports[0].ended, Ended::Failed(_)));
    assert_eq!((reports[1].rows, &reports[1].ended), (27, &Ended::Done));
    let failure = failure(&reports, "extract").unwrap();
    assert_eq!(failure.to_string(), "extract stopped at `fake.things`");
    assert!(failure.kept().unwrap().contains("39 rows in 2 raw tables"), "{failure:?}");
    assert_eq!(kept(&reports[..1]).split(" in ").next(), Some("4 pages, 12 rows"));
}
