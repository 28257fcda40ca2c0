//! The real binary against the sandbox shop, over real HTTP on loopback.
//!
//! The sandbox runs inside the test's process, so a test can count its requests; `inkhouse` runs
//! as a process of its own, so that it can be killed.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _, RandomState},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use sandbox::{Running, ServeOptions, World, WorldOptions};
use tempfile::TempDir;

/// When the sandbox's world is looked at unless a test says otherwise.
pub(crate) const NIGHT: &str = "2026-11-01T06:00:00Z";
/// A night later.
pub(crate) const NEXT_NIGHT: &str = "2026-11-02T06:00:00Z";

/// How large the world of most tests is: every kind of order occurs, and a night is quick.
pub(crate) const ORDERS: u32 = 400;

/// A number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var_os(name).and_then(|text| text.to_str()?.parse().ok())
}

/// Draws from `0..end`; `INKHOUSE_SEED` draws the same again.
pub(crate) struct Dice {
    pub(crate) seed: u64,
    drawn: u64,
}

impl Dice {
    pub(crate) fn new() -> Self {
        let given = number("INKHOUSE_SEED");
        Self { seed: given.unwrap_or_else(|| RandomState::new().hash_one(0)), drawn: 0 }
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, self.drawn).hash(&mut hasher);
        self.drawn += 1;
        hasher.finish() % end.max(1)
    }
}

/// A sandbox that answers on loopback until it is dropped.
pub(crate) struct Shop {
    pub(crate) running: Running,
    _runtime: tokio::runtime::Runtime,
}

impl Shop {
    pub(crate) fn open(orders: u32, as_of: &str, faults: &str) -> Self {
        Self::open_with(orders, as_of, faults, true)
    }

    /// The same, and whether the vendors' limits are lifted.
    pub(crate) fn open_with(orders: u32, as_of: &str, faults: &str, lift_limits: bool) -> Self {
        let world = World::new(WorldOptions {
            seed: 7,
            orders,
            as_of: as_of.parse::<chrono::DateTime<chrono::Utc>>().unwrap(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let options = ServeOptions {
            faults: faults.parse().unwrap(),
            lift_limits,
            ..ServeOptions::default()
        };
        let running = runtime.block_on(sandbox::serve(world, options)).unwrap();
        Self { running, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        self.running.base_url("").trim_end_matches('/').to_owned()
    }

    /// Calls of everybody.
    pub(crate) fn requests(&self) -> u64 {
        self.running.requests().values().sum()
    }

    /// Calls that wrote to the e-mail tool.
    pub(crate) fn klaviyo_writes(&self) -> u64 {
        self.running.requests_of("klaviyo", "POST")
    }
}

/// A project folder in a temporary place.
pub(crate) struct Project {
    pub(crate) folder: TempDir,
    warehouse: String,
}

/// What `inkhouse` printed and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Project {
    /// A project that reads the sandbox at `url` and keeps its tables in the project folder.
    pub(crate) fn new(url: &str) -> Self {
        Self::with_warehouse(url, "url = \"file://./warehouse\"\n")
    }

    /// The same with another `[warehouse]` section.
    pub(crate) fn with_warehouse(url: &str, warehouse: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Self { folder, warehouse: warehouse.to_owned() };
        project.write("inkhouse.toml", &config(url, warehouse));
        for (name, secret) in SECRETS {
            project.write(&format!("secrets/{name}"), secret);
        }
        project
    }

    /// Reads another sandbox from now on.
    pub(crate) fn point_at(&self, url: &str) {
        self.write("inkhouse.toml", &config(url, &self.warehouse));
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path().join(name)).unwrap()
    }

    /// The command `inkhouse --project .. --now NIGHT args`, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_at(NIGHT, args)
    }

    pub(crate) fn command_at(&self, now: &str, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("--project").arg(self.path()).args(["--now", now]).args(args);
        command.env("NO_COLOR", "1");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    pub(crate) fn run_at(&self, now: &str, args: &[&str]) -> Ran {
        Ran::of(self.command_at(now, args).output().unwrap())
    }

    /// One query's answer as CSV lines without the header.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        let ran = self.run(&["query", "--format", "csv", sql]).succeeded();
        ran.stdout.lines().skip(1).map(str::to_owned).collect()
    }

    /// A fingerprint of every raw row, without the columns that say when and by which run it was
    /// landed.
    pub(crate) fn raw_contents(&self) -> Vec<String> {
        let tables: Vec<String> = RAW
            .iter()
            .map(|table| format!("select '{table}' as name, _row_hash from raw.{table}"))
            .collect();
        self.query(&format!("{} order by name, _row_hash", tables.join(" union all ")))
    }

    /// The content of every table that people read.
    pub(crate) fn marts(&self) -> BTreeMap<String, Vec<String>> {
        let rows_of = |table: &&str| {
            let mut rows = self.query(&format!("select * from {table}"));
            rows.sort();
            ((*table).to_owned(), rows)
        };
        MARTS.iter().map(rows_of).collect()
    }

    /// The same, and what was landed.
    pub(crate) fn contents(&self) -> BTreeMap<String, Vec<String>> {
        let mut contents = self.marts();
        contents.insert("raw".to_owned(), self.raw_contents());
        contents
    }
}

/// What the usual night ends in when nothing goes wrong; made once for all tests.
pub(crate) fn undisturbed() -> &'static BTreeMap<String, Vec<String>> {
    static CONTENTS: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    CONTENTS.get_or_init(|| {
        let shop = Shop::open(ORDERS, NIGHT, "");
        let project = Project::new(&shop.url());
        project.run(&["run", "nightly"]).succeeded();
        let contents = project.contents();
        for (table, rows) in &contents {
            assert!(!rows.is_empty(), "{table} is empty, and a comparison would prove nothing");
        }
        contents
    })
}

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_inkhouse"))
}

/// What `inkhouse` says without any project.
pub(crate) fn inkhouse(args: &[&str]) -> Ran {
    Ran::of(Command::new(binary()).args(args).env("NO_COLOR", "1").output().unwrap())
}

/// Every raw table of the house.
pub(crate) const RAW: &[&str] = &[
    "shopify.shop",
    "shopify.orders",
    "shopify.products",
    "shopify.customers",
    "printify.shops",
    "printify.orders",
    "printify.products",
    "printify.shipping_profiles",
    "printful.orders",
    "printful.store_products",
    "printful.catalog_products",
    "stripe.balance_transactions",
    "stripe.charges",
    "stripe.refunds",
    "meta.ad_accounts",
    "meta.insights_daily",
];

/// The tables that people read.
pub(crate) const MARTS: &[&str] = &[
    "dim_designs",
    "dim_products",
    "dim_customers",
    "fct_order_line_costs",
    "fct_order_lines",
    "fct_unattributed_costs",
    "agg_design_family_daily",
    "fct_customer_family_affinity",
    "seg_aesthetic_members",
    "klaviyo_profiles",
];

const SECRETS: [(&str, &str); 6] = [
    ("shopify", "shpat_sandbox"),
    ("printify", "pat_sandbox"),
    ("printful", "pf_sandbox"),
    ("stripe", "rk_test_sandbox"),
    ("meta", "EAAsandbox"),
    ("klaviyo", "pk_sandbox"),
];

fn config(url: &str, warehouse: &str) -> String {
    format!(
        r#"[warehouse]
{warehouse}
[sources.shopify]
shop = "sandbox.myshopify.com"
token = {{ file = "secrets/shopify" }}
base_url = "{url}/shopify"
rate_limit = false

[sources.printify]
token = {{ file = "secrets/printify" }}
base_url = "{url}/printify"
rate_limit = false

[sources.printful]
token = {{ file = "secrets/printful" }}
store_id = 4242
base_url = "{url}/printful"
rate_limit = false

[sources.stripe]
key = {{ file = "secrets/stripe" }}
base_url = "{url}/stripe"
rate_limit = false

[sources.meta]
account_id = "act_1001"
token = {{ file = "secrets/meta" }}
start_date = "2024-11-01"
base_url = "{url}/meta"
rate_limit = false

[destinations.klaviyo]
key = {{ file = "secrets/klaviyo" }}
base_url = "{url}/klaviyo"
rate_limit = false
"#
    )
}
