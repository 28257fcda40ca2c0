//! What every source MUST do, tried on each one that is registered.
//!
//! A source takes part by being in the registry: without a [`Fixture`] the first test fails. The
//! fixture knows the vendor's envelope and paging and nothing else; records are made here from the
//! declared schema, and so are the faults.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arrow::{
    array::{Array, AsArray},
    util::display::array_value_to_string,
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    fake::{Answer, Call, Fake},
    http::waits,
    record::{Field, Kind, Record},
};
use crate::{
    Bookmark, EXTRA, Error, ErrorKind, Page, Result, Source, Stream, registry, stream_schema,
};

/// The token of every fixture's config; it must turn up nowhere.
pub(crate) const SECRET: &str = "shh-4f1c9b";
/// Text that breaks whoever counts bytes, trusts escapes or fears the right-to-left.
const UNICODE: &str = "Ünï\"\\/ \u{0} \u{7f} 日本 👩‍🎨 \u{202e}abc\u{202c} \u{fffd}";
/// A field nobody declared.
const UNKNOWN: &str = "unheard/of";

/// What the suite must be told of a vendor's wire.
pub(crate) trait Fixture: Send + Sync {
    /// The config for a server at this address, with [`SECRET`] wherever a secret belongs and the
    /// client's rate limit lifted.
    fn config(&self, base_url: &str) -> Value;

    /// Records in one page of the vendor's.
    fn page_size(&self) -> usize;

    /// Keys that a walk over the stream brings when the world counts so many records.
    fn keys(&self, _stream: &str, count: usize) -> usize {
        count
    }

    /// What a healthy vendor answers; [`World::record`] makes the records.
    fn answer(&self, call: &Call, world: &World) -> Answer;
}

/// What the vendor holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    /// Records of each list.
    pub(crate) count: usize,
    filling: Filling,
}

/// What the records are filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filling {
    Plain,
    /// Null wherever it may be.
    Nulls,
    Unicode,
    /// A field nobody declared, in every object.
    Unknown,
    /// Record 0 has a field of the wrong type.
    Misfit,
}

impl World {
    /// The n-th record by its declared schema. Its keys are for the fixture to set.
    pub(crate) fn record(&self, record: &Record, n: usize) -> Map<String, Value> {
        let mut made = self.object(record, n);
        if self.filling == Filling::Misfit
            && n == 0
            && let Some(field) = record.fields.iter().find(|field| is_strict(field))
        {
            made.insert(field.name.to_owned(), json!({ "not": ["what", "was", "declared"] }));
        }
        made
    }

    fn object(&self, record: &Record, n: usize) -> Map<String, Value> {
        let mut made = Map::new();
        for field in record.fields {
            let is_null = self.filling == Filling::Nulls && !field.required;
            let value = if is_null { Value::Null } else { self.value(field.kind, n) };
            made.insert(field.name.to_owned(), value);
        }
        if self.filling == Filling::Unknown {
            made.insert(UNKNOWN.to_owned(), json!({ "deep": [1.50, null] }));
        }
        made
    }

    fn value(&self, kind: Kind, n: usize) -> Value {
        match kind {
            Kind::Text if self.filling == Filling::Unicode => json!(UNICODE),
            Kind::Text => json!(format!("text {n}")),
            Kind::Id => json!(n.to_string()),
            Kind::Boolean => json!(n.is_multiple_of(2)),
            Kind::Integer => json!(n),
            Kind::Decimal => json!("12.3400"),
            Kind::Rate => json!("0.12345678"),
            Kind::Timestamp => json!("2026-10-01T08:09:41Z"),
            Kind::EpochSeconds => json!(1_790_000_000 - i64::try_from(n).unwrap()),
            Kind::Date => json!("2026-10-01"),
            Kind::Json | Kind::Ignored => json!({ "any": ["thing", 1] }),
            Kind::List(item) => json!([self.value(*item, n)]),
            Kind::Struct(record) => Value::Object(self.object(record, n)),
            Kind::Connection(item) => json!({
                "nodes": [self.value(*item, n)],
                "pageInfo": { "hasNextPage": false, "endCursor": null },
            }),
        }
    }
}

/// A field that an object cannot be, and that no source needs for its paging.
fn is_strict(field: &Field) -> bool {
    matches!(field.kind, Kind::Text | Kind::Boolean | Kind::Integer | Kind::Decimal)
        && !field.required
        && !["id", "status", "currency", "timezone_name", "name"].contains(&field.name)
}

fn fixture(source: &str) -> Option<Arc<dyn Fixture>> {
    Some(match source {
        "meta" => Arc::new(crate::meta::tests::Wire),
        "printful" => Arc::new(crate::printful::tests::Wire),
        "printify" => Arc::new(crate::printify::tests::Wire),
        "shopify" => Arc::new(crate::shopify::tests::Wire),
        "stripe" => Arc::new(crate::stripe::tests::Wire),
        _ => return None,
    })
}

/// A registered source with a pretended vendor.
struct Subject {
    name: &'static str,
    wire: Arc<dyn Fixture>,
}

fn subject(name: &str) -> Subject {
    let known = registry::source_names().into_iter().find(|known| *known == name);
    Subject { name: known.unwrap(), wire: fixture(name).unwrap() }
}

fn now() -> DateTime<Utc> {
    "2026-11-01T06:00:00Z".parse().unwrap()
}

impl Subject {
    fn streams(&self) -> &'static [Stream] {
        registry::streams_of(self.name).unwrap()
    }

    /// A vendor whose n-th answer (from 0) may be spoiled.
    fn vendor(
        &self,
        world: World,
        spoil: impl Fn(usize, Answer) -> Answer + Send + Sync + 'static,
    ) -> Fake {
        let wire = Arc::clone(&self.wire);
        let number = AtomicUsize::new(0);
        Fake::serve(self.name, move |call| {
            spoil(number.fetch_add(1, Ordering::Relaxed), wire.answer(call, &world))
        })
    }

    fn source(&self, vendor: &Fake) -> Arc<dyn Source> {
        registry::source(self.name, self.wire.config(&vendor.base_url)).unwrap()
    }
}

/// Reads to the end; every page with the bookmark it was read from.
async fn walk(
    source: &dyn Source,
    stream: &Stream,
    from: Bookmark,
) -> Result<(Vec<(Bookmark, Page)>, Bookmark)> {
    let (mut pages, mut bookmark) = (Vec::new(), from);
    loop {
        let page = source.read(stream, &bookmark, now()).await?;
        let (next, more) = (page.bookmark.clone(), page.more);
        pages.push((std::mem::replace(&mut bookmark, next), page));
        if !more {
            return Ok((pages, bookmark));
        }
        assert!(pages.len() < 1_000, "`{}` does not end", stream.name);
    }
}

/// The distinct keys of all pages.
fn keys(stream: &Stream, pages: &[(Bookmark, Page)]) -> BTreeSet<Vec<String>> {
    let mut keys = BTreeSet::new();
    for (_, page) in pages {
        for row in 0..page.rows.num_rows() {
            let key = stream.key.iter().map(|name| {
                let column = page.rows.column_by_name(name).unwrap();
                assert!(column.is_valid(row), "`{}`: key `{name}` is null", stream.name);
                array_value_to_string(column, row).unwrap()
            });
            keys.insert(key.collect());
        }
    }
    keys
}

/// Nothing secret in anything an error shows.
fn assert_discreet(name: &str, error: &Error) {
    let shown = format!("{error} {error:?} {error:#?} {:?}", error.hint());
    assert!(!shown.contains(SECRET), "`{name}` shows its token: {shown}");
}

const WORLD: World = World { count: 3, filling: Filling::Plain };

#[test]
fn every_registered_source_has_a_fixture() {
    let missing: Vec<_> =
        registry::source_names().into_iter().filter(|name| fixture(name).is_none()).collect();
    assert!(missing.is_empty(), "without a fixture: {missing:?}");
    assert_eq!(registry::source_names(), SUITES, "a source is not in the list of suites");
}

async fn the_registry_knows_each_source_by_its_own_name(subject: &Subject) {
    let vendor = subject.vendor(WORLD, |_, answer| answer);
    let source = subject.source(&vendor);
    assert_eq!(source.name(), subject.name);
    let names = |streams: &[Stream]| streams.iter().map(|s| s.name).collect::<Vec<_>>();
    assert_eq!(names(source.streams()), names(subject.streams()));
    for stream in subject.streams() {
        let schema = stream_schema(stream);
        for key in stream.key {
            assert!(schema.column_with_name(key).is_some(), "{}: no key `{key}`", stream.name);
        }
    }
}

async fn every_page_can_be_read_again_and_every_record_comes(subject: &Subject) {
    let size = subject.wire.page_size();
    for count in [0, 1, size, 2 * size, 2 * size + 1] {
        let vendor = subject.vendor(World { count, ..WORLD }, |_, answer| answer);
        for stream in subject.streams() {
            let told = format!("{}.{} with {count} records", subject.name, stream.name);
            let source = subject.source(&vendor);
            let (pages, end) = walk(&*source, stream, Bookmark::start()).await.unwrap();
            assert_eq!(keys(stream, &pages).len(), subject.wire.keys(stream.name, count), "{told}");
            for (bookmark, page) in &pages {
                assert_eq!(page.rows.schema(), stream_schema(stream), "{told}");
                assert!(page.rejects.is_empty(), "{told}: {:?}", page.rejects);
                let extra = page.rows.column_by_name(EXTRA).unwrap();
                assert_eq!(extra.null_count(), extra.len(), "{told}: {extra:?}");
                // As a later process would: nothing but the bookmark is left.
                let bookmark: Bookmark = bookmark.as_str().parse().unwrap();
                let again = subject.source(&vendor).read(stream, &bookmark, now()).await.unwrap();
                assert_eq!(again.rows, page.rows, "{told}");
                assert_eq!(again.bookmark, page.bookmark, "{told}");
                assert_eq!(again.more, page.more, "{told}");
            }
            // The next night starts there, and ends.
            assert!(!end.is_start(), "{told}: the last bookmark is empty");
            let (_, next) = walk(&*source, stream, end.clone()).await.unwrap();
            assert_eq!(next, end, "{told}: a night without news moves the bookmark");
        }
    }
}

async fn nulls_and_unicode_and_unknown_fields_are_kept(subject: &Subject) {
    for filling in [Filling::Nulls, Filling::Unicode, Filling::Unknown] {
        let vendor = subject.vendor(World { count: 3, filling }, |_, answer| answer);
        for stream in subject.streams() {
            let told = format!("{}.{}, {filling:?}", subject.name, stream.name);
            let source = subject.source(&vendor);
            let (pages, _) = walk(&*source, stream, Bookmark::start()).await.unwrap();
            for (_, page) in &pages {
                assert!(page.rejects.is_empty(), "{told}: {:?}", page.rejects);
            }
            assert_eq!(keys(stream, &pages).len(), subject.wire.keys(stream.name, 3), "{told}");
            let shown: String = pages.iter().map(|(_, page)| text(page)).collect();
            match filling {
                Filling::Unicode => assert!(shown.contains(UNICODE), "{told}"),
                Filling::Unknown => assert!(shown.contains("unheard~1of"), "{told}"),
                _ => {}
            }
        }
    }
}

/// All text of a page, at any depth.
fn text(page: &Page) -> String {
    let mut shown = String::new();
    page.rows.columns().iter().for_each(|column| collect_text(column, &mut shown));
    shown
}

fn collect_text(column: &dyn Array, shown: &mut String) {
    if let Some(texts) = column.as_string_opt::<i32>() {
        shown.extend(texts.iter().flatten());
    } else if let Some(items) = column.as_list_opt::<i32>() {
        collect_text(items.values(), shown);
    } else if let Some(members) = column.as_struct_opt() {
        members.columns().iter().for_each(|member| collect_text(member, shown));
    }
}

async fn a_misfit_is_set_aside_and_its_neighbours_stay(subject: &Subject) {
    let world = World { count: 3, filling: Filling::Misfit };
    let vendor = subject.vendor(world, |_, answer| answer);
    for stream in subject.streams().iter().filter(|s| s.record.fields.iter().any(is_strict)) {
        let told = format!("{}.{}", subject.name, stream.name);
        let source = subject.source(&vendor);
        let (pages, _) = walk(&*source, stream, Bookmark::start()).await.unwrap();
        let rejects: Vec<_> = pages.iter().flat_map(|(_, page)| &page.rejects).collect();
        let all = subject.wire.keys(stream.name, 3);
        assert!(!rejects.is_empty(), "{told}");
        assert!(keys(stream, &pages).len() + 1 >= all, "{told}: a neighbour went too");
        for reject in rejects {
            assert!(reject.pointer.starts_with('/') && !reject.reason.is_empty(), "{told}");
            assert!(serde_json::from_str::<Value>(&reject.record).is_ok(), "{told}");
        }
    }
}

/// Reads the first page of each stream and makes the check, the vendor's answers being spoiled.
async fn tries(
    subject: &Subject,
    spoil: impl Fn(usize, Answer) -> Answer + Copy + Send + Sync + 'static,
) -> Vec<(String, Result<()>, Vec<Duration>)> {
    let mut all = Vec::new();
    for stream in subject.streams() {
        let vendor = subject.vendor(WORLD, spoil);
        let source = subject.source(&vendor);
        waits::take();
        let read = source.read(stream, &Bookmark::start(), now()).await;
        all.push((format!("{}.{}", subject.name, stream.name), read.map(drop), waits::take()));
    }
    let vendor = subject.vendor(WORLD, spoil);
    let source = subject.source(&vendor);
    waits::take();
    let checked = source.check().await;
    all.push((format!("{}, check", subject.name), checked.map(drop), waits::take()));
    for (told, outcome, _) in &all {
        if let Err(error) = outcome {
            assert_discreet(told, error);
        }
    }
    all
}

/// A body that echoes what no error may show.
fn echo() -> String {
    json!({ "error": { "message": format!("bad token {SECRET}"), "code": 0 },
        "errors": format!("bad token {SECRET}"), "message": SECRET, "result": SECRET })
    .to_string()
}

async fn a_refused_token_is_an_access_error(subject: &Subject) {
    for status in [401, 403] {
        for (told, outcome, waits) in
            tries(subject, move |_, _| Answer::text(status, &echo())).await
        {
            let error = outcome.expect_err(&told);
            assert_eq!(error.kind(), ErrorKind::Access, "{told}, {status}: {error}");
            assert!(error.hint().is_some(), "{told}, {status}: no hint");
            assert!(waits.is_empty(), "{told}: tried a refused token again");
        }
    }
}

async fn nothing_at_the_address_is_not_tried_again(subject: &Subject) {
    for (told, outcome, waits) in tries(subject, |_, _| Answer::text(404, &echo())).await {
        let kind = outcome.expect_err(&told).kind();
        assert!(matches!(kind, ErrorKind::Access | ErrorKind::Data), "{told}: {kind}");
        assert!(waits.is_empty(), "{told}");
    }
}

fn refusal(retry_after: &str) -> Answer {
    Answer::text(429, &echo()).header("retry-after", retry_after)
}

async fn a_rate_limit_is_waited_for_as_told_and_then_it_is_busy(subject: &Subject) {
    let once = |n: usize, answer: Answer| if n == 0 { refusal("7") } else { answer };
    for (told, outcome, waits) in tries(subject, once).await {
        outcome.unwrap_or_else(|error| panic!("{told}: {error}"));
        assert_eq!(waits.len(), 1, "{told}");
        assert!(waits[0] >= Duration::from_secs(7), "{told}: {waits:?}");
    }
    for (told, outcome, waits) in tries(subject, |_, _| refusal("3")).await {
        let error = outcome.expect_err(&told);
        assert_eq!(error.kind(), ErrorKind::Busy, "{told}: {error}");
        assert!(error.wait().is_some(), "{told}: the wait is not passed on");
        assert!(waits.len() >= 2, "{told}: gave up after {waits:?}");
    }
    // Longer than a run should stand still: the next run has more luck.
    for (told, outcome, waits) in tries(subject, |_, _| refusal("86400")).await {
        assert_eq!(outcome.expect_err(&told).kind(), ErrorKind::Busy, "{told}");
        assert!(waits.is_empty(), "{told}: {waits:?}");
    }
}

async fn what_passes_is_tried_again_and_then_it_is_busy(subject: &Subject) {
    type Spoil = fn(Answer) -> Answer;
    let spoilers: [(&str, Spoil); 5] = [
        ("500", |_| Answer::text(500, "")),
        ("503", |_| Answer::text(503, "<html>").header("content-type", "text/html")),
        ("closed", |_| Answer::closed()),
        ("truncated", Answer::truncated),
        ("shortened", Answer::shortened),
    ];
    for (what, spoil) in spoilers {
        let once = move |n: usize, answer: Answer| if n == 0 { spoil(answer) } else { answer };
        for (told, outcome, waits) in tries(subject, once).await {
            outcome.unwrap_or_else(|error| panic!("{told}, {what}: {error}"));
            assert_eq!(waits.len(), 1, "{told}, {what}");
        }
        for (told, outcome, waits) in tries(subject, move |_, answer| spoil(answer)).await {
            let error = outcome.expect_err(&told);
            assert_eq!(error.kind(), ErrorKind::Busy, "{told}, {what}: {error}");
            assert!(waits.len() >= 2, "{told}, {what}");
        }
    }
}

async fn what_is_no_answer_is_an_error_and_no_panic(subject: &Subject) {
    for body in ["<html>maintenance</html>", "", "null", "[]", "{}", "{\"data\": 7}"] {
        for (told, outcome, _) in tries(subject, move |_, _| Answer::text(200, body)).await {
            // An empty list may be an answer.
            if let Err(error) = outcome {
                assert!(error.kind() != ErrorKind::Bug, "{told}, `{body}`: {error}");
            }
        }
    }
}

async fn the_token_is_sent_and_never_shown(subject: &Subject) {
    let vendor = subject.vendor(WORLD, |_, answer| answer);
    let source = subject.source(&vendor);
    source.check().await.unwrap();
    assert!(!format!("{source:?} {source:#?}").contains(SECRET), "{}", subject.name);
    let calls = vendor.calls();
    let call = calls.first().unwrap();
    assert!(call.headers.iter().any(|(_, value)| value.contains(SECRET)), "{}", subject.name);
    assert!(call.header("user-agent").is_some_and(|agent| agent.starts_with("inkhouse/")));
    for call in calls {
        assert!(!call.query.iter().any(|(_, value)| value.contains(SECRET)), "in an address");
    }
}

async fn an_unknown_or_malformed_field_of_the_config_is_named(subject: &Subject) {
    let mut config = subject.wire.config("http://127.0.0.1:1/x");
    config["tokenn"] = json!(SECRET);
    let error = registry::source(subject.name, config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{}", subject.name);
    assert!(error.to_string().contains("tokenn"), "{error}");
    assert_discreet(subject.name, &error);

    let mut config = subject.wire.config("http://127.0.0.1:1/x");
    config["base_url"] = json!("not an address");
    let error = registry::source(subject.name, config).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{}", subject.name);
}

/// The suite of one source.
macro_rules! suite {
    ($source:ident: $($case:ident)+) => {
        mod $source {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&super::subject(stringify!($source))).await;
            })+
        }
    };
    ($source:ident) => {
        suite! { $source:
            the_registry_knows_each_source_by_its_own_name
            every_page_can_be_read_again_and_every_record_comes
            nulls_and_unicode_and_unknown_fields_are_kept
            a_misfit_is_set_aside_and_its_neighbours_stay
            a_refused_token_is_an_access_error
            nothing_at_the_address_is_not_tried_again
            a_rate_limit_is_waited_for_as_told_and_then_it_is_busy
            what_passes_is_tried_again_and_then_it_is_busy
            what_is_no_answer_is_an_error_and_no_panic
            the_token_is_sent_and_never_shown
            an_unknown_or_malformed_field_of_the_config_is_named
        }
    };
}

/// The suites as tests of their own: `cargo test conformance::stripe`.
macro_rules! suites {
    ($($source:ident)+) => {
        const SUITES: &[&str] = &[$(stringify!($source)),+];
        $(suite!($source);)+
    };
}

suites!(meta printful printify shopify stripe);
