//! The daemon: runs what was missed, stops on SIGTERM in the middle of an extract, loses nothing.

use std::{
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{NIGHT, ORDERS, Project, Shop, binary, undisturbed};

/// A job of its own beside the default, so that nothing else is due.
const JOB: &str = "owner = \"tests\"\nschedule = \"* * * * *\"\nmissed = \"once\"\n[[extract]]\nsource = \"shopify\"\n";

/// A daemon that is killed when a test fails.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(90), "waited too long for {what}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_daemon_that_is_told_to_stop_in_mid_extract_keeps_what_it_read() {
    // All pages but the first few take a minute, so that the signal falls into waiting for one.
    let slow = Shop::open(ORDERS, NIGHT, "shopify:slow@8+,ms=60000");
    let project = Project::new(&slow.url());
    // Its last run was long ago, so the daemon begins with what was missed and no minute is awaited.
    project.write("jobs/often.toml", &format!("{JOB}streams = [\"shop\"]\n"));
    project.run_at("2020-01-01T00:00:00Z", &["run", "often"]).succeeded();
    project.write("jobs/often.toml", &format!("{JOB}streams = [\"orders\"]\n"));
    let mut daemon = Daemon(
        Command::new(binary())
            .arg("--project")
            .arg(project.path())
            .arg("serve")
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    wait_for("a slow page", || slow.running.faults_served() > 0);
    let stopped = Instant::now();
    let pid = daemon.0.id().to_string();
    assert!(Command::new("/bin/kill").args(["-TERM", &pid]).status().unwrap().success());
    wait_for("the end of the daemon", || daemon.0.try_wait().unwrap().is_some());
    let took = stopped.elapsed();
    let mut said = String::new();
    for stream in [
        &mut daemon.0.stderr.take().unwrap() as &mut dyn std::io::Read,
        &mut daemon.0.stdout.take().unwrap(),
    ] {
        stream.read_to_string(&mut said).unwrap();
    }
    assert_eq!(daemon.0.wait().unwrap().code(), Some(0), "{said}");
    // Well within the minute that the page would have taken.
    assert!(took < Duration::from_secs(45), "it took {took:?} to stop:\n{said}");
    assert!(said.contains("`often` begins"), "{said}");
    assert!(said.contains("job `often` was stopped in its extract"), "{said}");

    let kept: u64 = project.query("select count(*) from raw.shopify.orders")[0].parse().unwrap();
    assert!(kept > 0 && kept < u64::from(ORDERS), "{kept} orders were kept:\n{said}");
    assert_eq!(
        project.query("select status from ops.runs order by started_at"),
        ["succeeded", "stopped"]
    );

    let shop = Shop::open(ORDERS, NIGHT, "");
    let moved = project.read("inkhouse.toml").replace(&slow.url(), &shop.url());
    project.write("inkhouse.toml", &moved);
    project.run(&["run", "nightly"]).succeeded();
    let got = project.contents();
    for (table, rows) in undisturbed() {
        assert!(got.get(table) == Some(rows), "{table} differs after a stop in mid-extract");
    }
}
