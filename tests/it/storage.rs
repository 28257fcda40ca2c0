//! The same night on a real S3 server, and two writers that race for one table there.
//!
//! The server is SeaweedFS, whose conditional put is atomic under a race (s3s-fs, the light
//! alternative, loses commits and would prove nothing). It answers late after its start and
//! waits by seconds when many write one key, so the client's patience is long.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use warehouse::{OpsTable, Options, Warehouse};

use crate::support::{NEXT_NIGHT, NIGHT, ORDERS, Project, Ran, Shop, undisturbed};

/// Where a rig lies, or `None` after saying that the test is skipped.
pub(crate) fn rig(name: &str, program: &str) -> Option<PathBuf> {
    let rigs = std::env::var_os("INKHOUSE_RIGS").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/inkhouse/rigs"),
        PathBuf::from,
    );
    let path = rigs.join(name).join("bin").join(program);
    if path.is_file() {
        return Some(path);
    }
    assert!(
        std::env::var_os("INKHOUSE_REQUIRE_RIGS").is_none(),
        "the rig `{name}` is missing; run `bash tests/rigs/install`"
    );
    eprintln!("skipped: the rig `{name}` is missing; `bash tests/rigs/install` puts it there");
    None
}

/// What the server's only identity signs with.
const KEYS: [(&str, &str); 2] = [("access_key_id", "AK"), ("secret_access_key", "SK")];
const WRITERS: usize = 2;
const APPENDS: usize = 8;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A SeaweedFS of the test's own, ended by its process id.
struct S3 {
    command: Command,
    child: Child,
    port: u16,
    _data: tempfile::TempDir,
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

const IDENTITIES: &str = r#"{"identities":[{"name":"t","credentials":[{"accessKey":"AK","secretKey":"SK"}],
"actions":["Admin","Read","List","Tagging","Write"]}]}"#;

impl S3 {
    fn start(weed: &Path) -> Self {
        let data = tempfile::tempdir().unwrap();
        let identities = data.path().join("s3.json");
        fs_err::write(&identities, IDENTITIES).unwrap();
        let volumes = data.path().join("volumes");
        fs_err::create_dir_all(&volumes).unwrap();
        let (filer, port) = (free_port(), free_port());
        let mut command = Command::new(weed);
        command
            .current_dir(data.path())
            .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"])
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .args(["-volume.max=0", "-master.volumeSizeLimitMB=128"])
            .arg(format!("-dir={}", volumes.display()))
            .arg(format!("-filer.port={filer}"))
            .arg(format!("-s3.port={port}"))
            .arg(format!("-s3.config={}", identities.display()));
        for own in [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port.grpc",
            "s3.port.grpc",
        ] {
            command.arg(format!("-{own}={}", free_port()));
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let s3 = Self { command, child, port, _data: data };
        make_bucket(filer);
        s3
    }

    fn stop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Serves what was stored before.
    fn start_again(&mut self) {
        self.child = self.command.spawn().unwrap();
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(90), "SeaweedFS does not come back");
            sleep(Duration::from_millis(500));
        }
    }

    /// How the server is reached; the keys come on top.
    fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("endpoint", format!("http://127.0.0.1:{}", self.port)),
            ("region", "us-east-1".to_owned()),
            ("allow_http", "true".to_owned()),
        ]
    }

    /// The `[warehouse]` section of a project that lives in this server.
    fn section(&self, prefix: &str) -> String {
        let mut text = format!("url = \"s3://inkhouse/{prefix}\"\n\n[warehouse.storage]\n");
        for (name, value) in self.settings() {
            writeln!(text, "{name} = \"{value}\"").unwrap();
        }
        for (name, _) in KEYS {
            writeln!(text, "{name} = {{ file = \"secrets/{name}\" }}").unwrap();
        }
        text
    }

    /// The same settings for a warehouse in this process.
    fn options(&self) -> BTreeMap<String, String> {
        let keys = KEYS.map(|(name, value)| (name, value.to_owned()));
        let all = self.settings().into_iter().chain(keys);
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// A folder under `/buckets` is a bucket. Polls, since the ports answer before the store does.
fn make_bucket(filer: u16) {
    let started = Instant::now();
    loop {
        let made = TcpStream::connect(("127.0.0.1", filer)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            stream.write_all(
                b"POST /buckets/inkhouse/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer.starts_with("HTTP/1.1 201"))
        });
        if matches!(made, Ok(true)) {
            // The volumes are still being made ready; the first write would wait for them.
            sleep(Duration::from_secs(5));
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(90), "SeaweedFS does not answer");
        sleep(Duration::from_millis(500));
    }
}

fn project(shop: &Shop, s3: &S3, prefix: &str) -> Project {
    let project = Project::with_warehouse(&shop.url(), &s3.section(prefix));
    for (name, value) in KEYS {
        project.write(&format!("secrets/{name}"), value);
    }
    project
}

#[test]
fn a_night_on_s3_ends_in_the_tables_of_a_night_on_files() {
    let Some(weed) = rig("s3", "weed") else { return };
    let s3 = S3::start(&weed);
    let shop = Shop::open(ORDERS, NIGHT, "");

    let objects = project(&shop, &s3, "nightly");
    objects.run(&["run", "nightly"]).succeeded();

    let got = objects.contents();
    for (table, rows) in undisturbed() {
        assert!(got.get(table) == Some(rows), "{table} on S3 differs from {table} on files");
    }

    let second = objects.run(&["run", "nightly"]).succeeded();
    assert!(second.all().contains("nothing new"), "{}", second.all());
}

#[test]
fn a_server_lost_in_the_middle_of_a_build_publishes_nothing_and_the_next_build_completes() {
    let Some(weed) = rig("s3", "weed") else { return };
    let mut s3 = S3::start(&weed);
    let shop = Shop::open(ORDERS, NIGHT, "");
    let later = Shop::open(ORDERS, NEXT_NIGHT, "");
    let project = project(&shop, &s3, "lost");
    project.run(&["run", "nightly"]).succeeded();
    let whole = project.marts();

    // The night brings changes, and the build of it gets as far as its first table.
    project.point_at(&later.url());
    project.run_at(NEXT_NIGHT, &["extract"]).succeeded();
    let mut build = project.command_at(NEXT_NIGHT, &["build", "--json"]);
    let mut build = build.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(build.stdout.take().unwrap());
    let mut event = String::new();
    while !event.contains(r#""status":"built""#) {
        event.clear();
        assert_ne!(events.read_line(&mut event).unwrap(), 0, "the build ended too early");
    }
    s3.stop();
    let mut rest = String::new();
    events.read_to_string(&mut rest).unwrap();
    let ran = Ran::of(build.wait_with_output().unwrap());
    assert_eq!(ran.code, 75, "worth another try: {}", ran.stderr);
    for part in [r#""message":"model `"#, "nothing was published", r#""hint":"the storage did"#] {
        assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
    }

    s3.start_again();
    assert!(project.marts() == whole, "a build without its storage changed what readers see");
    project.run_at(NEXT_NIGHT, &["build", "--verify"]).succeeded();
    assert!(project.marts() != whole, "the second night brought nothing");
}

#[test]
fn what_was_built_aside_on_s3_is_promoted_by_the_server_and_outlives_its_environment() {
    let Some(weed) = rig("s3", "weed") else { return };
    let s3 = S3::start(&weed);
    let shop = Shop::open(1, NIGHT, "");
    let project = project(&shop, &s3, "promoted");
    let build = |number: u32, environment: &str| {
        let text = format!(
            "-- One row.\n--! kind = \"full\"\n--! key = [\"number\"]\nselect {number} as number\n"
        );
        project.write("sql/marts/agg_first.sql", &text);
        project.run(&["build", "agg_first", "--env", environment]).succeeded();
    };
    build(1, "prod");
    build(2, "dev");
    assert_eq!(project.query("select number from agg_first"), ["1"]);
    project.run(&["promote", "dev"]).succeeded();
    project.run(&["environments", "drop", "dev", "--yes"]).succeeded();
    assert_eq!(project.query("select number from agg_first"), ["2"]);
    project.run(&["rollback", "1"]).succeeded();
    assert_eq!(project.query("select number from agg_first"), ["1"]);
}

#[test]
fn writers_that_race_for_one_table_on_s3_lose_no_row() {
    let Some(weed) = rig("s3", "weed") else { return };
    let s3 = S3::start(&weed);
    let options = s3.options();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // A handle each: they share nothing but the server, as two machines would.
        let open = || {
            let root = "s3://inkhouse/race".parse().unwrap();
            let limits = Options { memory_bytes: 256 << 20, partitions: 2, spill_dir: None };
            Warehouse::open(&root, &options, limits).unwrap()
        };
        let writers = (0..WRITERS).map(|writer| {
            let house = open();
            tokio::spawn(async move {
                for append in 0..APPENDS {
                    let step: ArrayRef =
                        Arc::new(StringArray::from(vec![format!("{writer}/{append}")]));
                    let row = RecordBatch::try_from_iter([("step", step)]).unwrap();
                    house.ops_append(OpsTable::Steps, &row).await.unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let house = open();
        let session = house.session().unwrap();
        session
            .register_table("steps", house.ops_provider(OpsTable::Steps).await.unwrap())
            .unwrap();
        let steps = session.sql("select distinct step from steps").await.unwrap();
        assert_eq!(steps.count().await.unwrap(), WRITERS * APPENDS);
        assert_eq!(session.table("steps").await.unwrap().count().await.unwrap(), WRITERS * APPENDS);
    });
}

#[test]
fn processes_that_extract_into_one_bucket_at_once_lose_no_row() {
    let Some(weed) = rig("s3", "weed") else { return };
    let s3 = S3::start(&weed);
    let shop = Shop::open(ORDERS, NIGHT, "");
    // Two machines: a project folder each, one place of the tables.
    let machines = [project(&shop, &s3, "shared"), project(&shop, &s3, "shared")];
    let running = machines.each_ref().map(|machine| {
        let mut command = machine.command(&["extract"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    for child in running {
        let ran = Ran::of(child.wait_with_output().unwrap());
        // Who loses a race either tries again or says that the other was faster.
        assert!([0, 75].contains(&ran.code), "{}: {}", ran.code, ran.all());
        assert!(!ran.all().contains("panicked"), "{}", ran.all());
    }
    let [machine, _] = &machines;
    machine.run(&["extract"]).succeeded();
    assert!(machine.raw_contents() == undisturbed()["raw"], "a row was lost, or is there twice");
}
