//! The proof that an incremental build equals a full one: random histories of a little shop.
//!
//! A history lands inserts, updates, moves of a row from one key to another, late rows and
//! deletions, retags the designs, edits models, breaks builds off in the middle and builds parts of
//! the graph. After every build that ends, each table is compared with what its SQL yields over the
//! raw tables in one go, computed by a project of views that shares nothing with the build.
//!
//! `INKHOUSE_HISTORIES=2000` runs more of them, `INKHOUSE_SEED` repeats one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::model::{ModelSource, ReadAt};
use crate::{LandingSpec, Options};

/// A model: path, header, the texts it may have. The first header is the one that is tested, the
/// second what it is compared with.
struct Tested {
    path: &'static str,
    header: &'static str,
    texts: &'static [&'static str],
}

const fn tested(
    path: &'static str,
    header: &'static str,
    texts: &'static [&'static str],
) -> Tested {
    Tested { path, header, texts }
}

const NEWEST: &str = "with newest as (select id, max(cast(_extracted_at as bigint)) as at from RAW group by id) \
    select COLUMNS from RAW as r inner join newest on r.id = newest.id \
    and cast(r._extracted_at as bigint) = newest.at where not r.is_deleted";

const MODELS: &[Tested] = &[
    tested(
        "staging/stg_orders.sql",
        "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['order_id']",
        &["ORDERS"],
    ),
    tested("staging/stg_lines.sql", "kind = 'view'", &["LINES"]),
    tested("staging/stg_designs.sql", "kind = 'full'\n--! key = ['sku']", &["DESIGNS"]),
    tested(
        "intermediate/int_lines.sql",
        "kind = 'merge'\n--! key = ['line_id']\n--! changed_by = ['order_id']",
        &[
            "select stg_lines.line_id, stg_lines.order_id, stg_lines.line_amount, coalesce(stg_designs.family, '?') as family \
             from stg_lines left join stg_designs on stg_lines.sku = stg_designs.sku",
            "select stg_lines.line_id, stg_lines.order_id, stg_lines.line_amount, stg_designs.family \
             from stg_lines inner join stg_designs on stg_lines.sku = stg_designs.sku",
        ],
    ),
    tested(
        "marts/fct_orders.sql",
        "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['order_id']\n--! partition_by = ['customer_id']",
        &[
            "with lines as (select order_id, cast(sum(line_amount) as decimal(18, 4)) as total_amount, count(*) as line_count \
             from int_lines group by order_id) \
             select stg_orders.order_id, stg_orders.customer_id, lines.total_amount, coalesce(lines.line_count, 0) as line_count \
             from stg_orders left join lines on lines.order_id = stg_orders.order_id",
            // The same, written otherwise: nothing may be rebuilt.
            "with lines as (select order_id, cast(sum(line_amount) as decimal(18, 4)) as total_amount, count(*) as line_count \
             from int_lines group by order_id) \
             SELECT stg_orders.order_id, stg_orders.customer_id, lines.total_amount,\n coalesce(lines.line_count, 0) line_count -- lines\n \
             FROM stg_orders LEFT JOIN lines ON lines.order_id = stg_orders.order_id",
        ],
    ),
    // An order that moves to another customer takes its money along.
    tested(
        "marts/agg_customers.sql",
        "kind = 'merge'\n--! key = ['customer_id']\n--! changed_by = ['customer_id']",
        &[
            "select customer_id, cast(sum(total_amount) as decimal(18, 4)) as total_amount, count(*) as order_count \
             from fct_orders where customer_id is not null group by customer_id",
            "select customer_id, cast(max(total_amount) as decimal(18, 4)) as total_amount, count(*) as order_count \
             from fct_orders where line_count > 0 and customer_id is not null group by customer_id",
        ],
    ),
    tested(
        "marts/agg_families.sql",
        "kind = 'merge'\n--! key = ['family']\n--! changed_by = ['family']",
        &[
            "select family, count(*) as line_count, cast(sum(line_amount) as decimal(18, 4)) as line_amount from int_lines group by family",
        ],
    ),
    tested(
        "marts/fct_ranks.sql",
        "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['customer_id']",
        &[
            "select order_id, customer_id, row_number() over (partition by customer_id order by line_count, order_id) as place from fct_orders",
        ],
    ),
    // The same by another key: a change of one order changes the places of others.
    tested(
        "marts/fct_places.sql",
        "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['order_id']",
        &[
            "select order_id, row_number() over (partition by customer_id order by line_count, order_id) as place from fct_orders",
        ],
    ),
    // Orders without lines, lines without orders, and lines of orders that are gone.
    tested(
        "marts/fct_sides.sql",
        "kind = 'merge'\n--! key = ['order_id', 'side']\n--! changed_by = ['order_id']",
        &[
            "with both_sides as (select coalesce(stg_orders.order_id, lines.order_id) as order_id, stg_orders.customer_id, lines.line_count \
             from stg_orders full join (select order_id, count(*) as line_count from stg_lines group by order_id) as lines \
             on stg_orders.order_id = lines.order_id) \
             select order_id, 'both' as side, customer_id, line_count from both_sides \
             union all select order_id, 'bare' as side, customer_id, 0 as line_count from stg_orders \
             where not exists (select 1 from stg_lines where stg_lines.order_id = stg_orders.order_id) \
             union all select order_id, 'anti' as side, null as customer_id, 1 as line_count from stg_orders left anti join stg_lines on stg_lines.order_id = stg_orders.order_id",
        ],
    ),
    // What cannot be told apart by key: any change of a line may change any order's share.
    tested(
        "marts/fct_shares.sql",
        "kind = 'merge'\n--! key = ['order_id']\n--! changed_by = ['order_id']",
        &[
            "select order_id, cast(line_count as bigint) - (select max(line_count) from fct_orders) as behind_count, \
             (select count(*) from stg_designs) as design_count from fct_orders",
        ],
    ),
];

/// The first of them are in every history, since the others read them.
const ALWAYS: usize = 5;

/// What a model over a raw table says.
fn written(text: &str) -> String {
    let (raw, columns) = match text {
        "ORDERS" => ("raw.shop.orders", "r.id as order_id, r.customer_id, r.note"),
        "LINES" => {
            ("raw.shop.lines", "r.id as line_id, r.order_id, r.sku, r.amount as line_amount")
        }
        "DESIGNS" => ("raw.shop.designs", "r.id as sku, r.note as family"),
        other => return other.to_owned(),
    };
    NEWEST.replace("RAW", raw).replace("COLUMNS", columns)
}

/// Random numbers that a seed repeats.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n.max(1)
    }

    /// Both ends are drawn.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    fn chance(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Record {
    id: String,
    order_id: String,
    customer_id: Option<String>,
    sku: String,
    note: String,
    amount: i128,
    is_deleted: bool,
}

fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("id"),
        text("order_id"),
        text("customer_id"),
        text("sku"),
        text("note"),
        Field::new("amount", DataType::Decimal128(18, 4), true),
        Field::new("is_deleted", DataType::Boolean, true),
        Field::new("_row_hash", DataType::Int64, false),
    ]))
}

fn batch(rows: &[Record]) -> RecordBatch {
    let texts = |value: fn(&Record) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    };
    let amounts = rows.iter().map(|row| row.amount * 10_000);
    let amounts = Decimal128Array::from_iter_values(amounts).with_precision_and_scale(18, 4);
    let hash =
        |row: &Record| i64::from_ne_bytes(xxh3_64(format!("{row:?}").as_bytes()).to_ne_bytes());
    let columns: Vec<ArrayRef> = vec![
        texts(|row| Some(&row.id)),
        texts(|row| Some(&row.order_id)),
        texts(|row| row.customer_id.as_deref()),
        texts(|row| Some(&row.sku)),
        texts(|row| Some(&row.note)),
        Arc::new(amounts.unwrap()),
        Arc::new(rows.iter().map(|row| Some(row.is_deleted)).collect::<BooleanArray>()),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(hash))),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

struct History {
    dice: Dice,
    root: Url,
    /// Stream -> id -> record.
    truth: BTreeMap<&'static str, BTreeMap<String, Record>>,
    /// The models of this history, as numbers of [`MODELS`].
    models: Vec<usize>,
    /// Model -> which of its texts it has.
    texts: Vec<usize>,
    now: DateTime<Utc>,
    /// Key -> first row of the append model.
    first_seen: BTreeMap<String, String>,
    /// Ways that were taken, to see that the test tests something.
    ways: BTreeMap<String, u64>,
    log: Vec<String>,
}

impl History {
    fn new(seed: u64) -> Self {
        let root =
            Url::parse(&format!("memory://history-{seed}-{}", uuid::Uuid::new_v4().simple()));
        let mut dice = Dice(seed);
        // What others read, and some of the others.
        let models = (0..MODELS.len()).filter(|n| *n < ALWAYS || dice.chance(45)).collect();
        Self {
            dice,
            models,
            root: root.unwrap(),
            truth: BTreeMap::new(),
            texts: vec![0; MODELS.len()],
            now: DateTime::UNIX_EPOCH + TimeDelta::days(20_000),
            first_seen: BTreeMap::new(),
            ways: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// As a new process would.
    fn open(&self) -> Warehouse {
        Warehouse::open(&self.root, &BTreeMap::new(), Options::default()).unwrap()
    }

    fn raw_schemas() -> BTreeMap<String, SchemaRef> {
        ["orders", "lines", "designs"].map(|s| (format!("raw.shop.{s}"), schema())).into()
    }

    /// The models as they are built, or as views to compare with.
    fn project(&self, as_views: bool) -> Project {
        let own = self.models.iter().map(|n| {
            let (model, text) = (&MODELS[*n], &self.texts[*n]);
            let header = if as_views { "kind = 'view'" } else { model.header };
            (model.path, header, written(model.texts[*text]))
        });
        let seen = (
            "marts/fct_first_seen.sql",
            "kind = 'append'\n--! key = ['order_id']\n--! changed_by = ['order_id']",
            "select order_id, customer_id, line_count from fct_orders".to_owned(),
        );
        let versions = (
            "marts/dim_orders.sql",
            "kind = 'scd2'\n--! key = ['order_id']",
            "select order_id, customer_id, line_count from fct_orders".to_owned(),
        );
        let remembering = [seen, versions].into_iter().filter(|_| !as_views);
        let sources = own.chain(remembering).map(|(path, header, sql)| ModelSource {
            path: path.to_owned(),
            text: format!("-- One row per thing.\n--! {header}\n{sql}\n"),
        });
        let raw = Self::raw_schemas();
        Project::load(sources.collect()).unwrap().with_raw_schemas(&raw)
    }

    /// A few records, new, changed, moved or deleted.
    async fn land(&mut self) {
        let stream =
            ["orders", "lines", "lines", "designs"][usize::try_from(self.dice.below(4)).unwrap()];
        let (range, most) = if stream == "designs" { (4, 2) } else { (12, 5) };
        let count = if self.dice.chance(12) { range } else { self.dice.between(1, most) };
        let mut changed: BTreeMap<String, Record> = BTreeMap::new();
        for _ in 0..count {
            let id = format!("{stream}-{}", self.dice.below(range));
            let record = Record {
                order_id: format!("orders-{}", self.dice.below(12)),
                customer_id: (!self.dice.chance(15)).then(|| format!("c{}", self.dice.below(4))),
                sku: format!("designs-{}", self.dice.below(5)),
                note: format!("f{}", self.dice.below(3)),
                amount: i128::from(self.dice.below(50)),
                is_deleted: self.dice.chance(15),
                id: id.clone(),
            };
            changed.insert(id, record);
        }
        let known = self.truth.entry(stream).or_default();
        known.extend(changed.clone());
        self.log.push(format!("land {} in {stream}", changed.len()));
        let spec = LandingSpec {
            source: "shop".to_owned(),
            stream: stream.to_owned(),
            key: vec!["id".to_owned()],
            schema: schema(),
        };
        self.now += TimeDelta::minutes(1);
        let rows: Vec<Record> = changed.into_values().collect();
        let mut landing = self.open().landing(&spec).await.unwrap();
        let bookmark = self.now.to_rfc3339();
        landing.land(&[batch(&rows)], &bookmark, "run", self.now).await.unwrap();
    }

    fn any_model(&mut self) -> usize {
        let at = self.dice.below(self.models.len() as u64);
        self.models[usize::try_from(at).unwrap()]
    }

    fn edit(&mut self) {
        let model = self.any_model();
        let text = usize::try_from(self.dice.below(MODELS[model].texts.len() as u64)).unwrap();
        self.log.push(format!("{} has text {text}", MODELS[model].path));
        self.texts[model] = text;
    }

    fn options(&mut self, select: Vec<String>) -> BuildOptions {
        self.now += TimeDelta::minutes(1);
        BuildOptions {
            environment: Environment::default(),
            select,
            whole: false,
            backfill: None,
            run_id: format!("run-{}", self.now.timestamp()),
            now: self.now,
            parallel: 2,
            on_event: Arc::new(|_| {}),
        }
    }

    /// A build that dies somewhere.
    async fn broken_build(&mut self) {
        let (warehouse, project) = (self.open(), self.project(false));
        let options = self.options(Vec::new());
        let raw = Self::raw_schemas();
        let polls = self.dice.below(160);
        self.log.push(format!("a build dies after {polls} polls"));
        let mut build = Box::pin(warehouse.build(&project, &raw, &options));
        for _ in 0..polls {
            if (&mut build).now_or_never().is_some() {
                return; // it was quicker; the next comparison sees it
            }
            tokio::time::sleep(std::time::Duration::from_micros(300)).await;
        }
    }

    /// A build of all or of a part, and the comparison.
    async fn build(&mut self) {
        let (warehouse, project) = (self.open(), self.project(false));
        let raw = Self::raw_schemas();
        if self.dice.chance(25) {
            let model = self.any_model();
            let stem = MODELS[model].path.rsplit('/').next().unwrap().trim_end_matches(".sql");
            self.log.push(format!("build +{stem}"));
            let options = self.options(vec![format!("+{stem}")]);
            let report = warehouse.build(&project, &raw, &options).await.unwrap();
            assert!(report.is_ok(), "{:#?}\n{report:#?}", self.log);
            // What was left behind has missed a version of what it reads.
            if self.dice.chance(50) {
                self.land().await;
            }
        }
        self.log.push("build".to_owned());
        let options = self.options(Vec::new());
        let report = warehouse.build(&project, &raw, &options).await.unwrap();
        assert!(report.is_ok(), "{:#?}\n{report:#?}", self.log);
        for model in &report.models {
            let way = match &model.way {
                Some(Way::Full(why)) => {
                    format!("full {}", format!("{why:?}").split(['(', ' ']).next().unwrap())
                }
                Some(Way::Keys { keys: 0, .. }) => "no key".to_owned(),
                Some(way) => way.as_str().to_owned(),
                None => "unchanged".to_owned(),
            };
            self.log.push(format!("  {}: {way}", model.name));
            *self.ways.entry(way).or_default() += 1;
        }
        // Nothing changed since: nothing is built.
        if self.dice.chance(20) {
            let options = self.options(Vec::new());
            let again = warehouse.build(&project, &raw, &options).await.unwrap();
            assert_eq!(again.count(ModelStatus::Built), 0, "{:#?}\n{again:#?}", self.log);
            assert_eq!(again.release, None);
        }
        self.compare(&warehouse, &project).await;
    }

    async fn rows(warehouse: &Warehouse, project: &Project, sql: &str) -> Vec<String> {
        let stream = warehouse.query(project, sql, &ReadAt::default()).await.unwrap();
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        let options = FormatOptions::default().with_null("null");
        let mut rows = Vec::new();
        for batch in &batches {
            let columns =
                batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap());
            let columns: Vec<_> = columns.collect();
            for row in 0..batch.num_rows() {
                rows.push(
                    columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"),
                );
            }
        }
        rows.sort();
        rows
    }

    async fn compare(&mut self, warehouse: &Warehouse, project: &Project) {
        let views = self.project(true);
        for model in self.models.iter().map(|n| &MODELS[*n]) {
            let stem = model.path.rsplit('/').next().unwrap().trim_end_matches(".sql");
            let sql = format!("select * from {stem}");
            let built = Self::rows(warehouse, project, &sql).await;
            let expected = Self::rows(warehouse, &views, &sql).await;
            assert_eq!(built, expected, "`{stem}` differs after {:#?}", self.log);
        }
        let orders = Self::rows(
            warehouse,
            project,
            "select order_id, customer_id, line_count from fct_orders",
        )
        .await;
        for row in &orders {
            let id = row.split('|').next().unwrap().to_owned();
            self.first_seen.entry(id).or_insert_with(|| row.clone());
        }
        let current = Self::rows(
            warehouse,
            project,
            "select order_id, customer_id, line_count from dim_orders where is_current",
        )
        .await;
        assert_eq!(current, orders, "`dim_orders` differs after {:#?}", self.log);
        let bad = "select order_id from dim_orders where valid_to_at <= valid_from_at or is_current <> (valid_to_at is null) \
            union all select a.order_id from dim_orders as a inner join dim_orders as b on a.order_id = b.order_id \
            where a.valid_from_at < b.valid_from_at and coalesce(a.valid_to_at, b.valid_from_at + interval '1 second') > b.valid_from_at";
        assert_eq!(Self::rows(warehouse, project, bad).await, Vec::<String>::new());
        let seen = Self::rows(warehouse, project, "select order_id from fct_first_seen").await;
        let ids: BTreeSet<String> = seen.iter().cloned().collect();
        assert_eq!(ids.len(), seen.len(), "an order twice in {seen:?}");
        let known: BTreeSet<&String> = self.first_seen.keys().collect();
        assert!(known.iter().all(|id| ids.contains(*id)), "{known:?} {ids:?}");
    }

    async fn run(&mut self) {
        for _ in 0..self.dice.between(3, 5) {
            for _ in 0..self.dice.between(1, 3) {
                self.land().await;
            }
            if self.dice.chance(20) {
                self.edit();
            }
            if self.dice.chance(30) {
                self.broken_build().await;
            }
            self.build().await;
        }
    }
}

fn number(name: &str) -> Option<u64> {
    #[allow(clippy::disallowed_methods, reason = "a test reads its own switch")]
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incremental_build_equals_a_full_one() {
    let histories = number("INKHOUSE_HISTORIES").unwrap_or(30);
    let first = number("INKHOUSE_SEED");
    let mut ways: BTreeMap<String, u64> = BTreeMap::new();
    let seeds = match first {
        Some(seed) => seed..seed + 1,
        None => 0..histories,
    };
    let runs = seeds.map(|seed| {
        tokio::spawn(async move {
            let mut history = History::new(seed);
            let ended = std::panic::AssertUnwindSafe(history.run()).catch_unwind().await;
            if ended.is_err() {
                eprintln!("INKHOUSE_SEED={seed} repeats it");
            }
            (ended, history.ways)
        })
    });
    let mut runs = futures::stream::iter(runs).buffer_unordered(2);
    while let Some(run) = runs.next().await {
        let (ended, taken) = run.unwrap();
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
        for (way, count) in taken {
            *ways.entry(way).or_default() += count;
        }
    }
    println!("{ways:#?}");
    if first.is_none() {
        // A test that never takes a way proves nothing about it.
        for way in [
            "incremental",
            "no key",
            "unchanged",
            "full First",
            "full Plan",
            "full Dimension",
            "full TooMany",
        ] {
            assert!(ways.contains_key(way), "no history went the way `{way}`: {ways:?}");
        }
    }
}
