//! Kill -9 in the middle of the extract, run again: the tables of an undisturbed run.
//!
//! The points are random, by the seed that a failure names: so many requests into the run, and a
//! moment more, so that kills fall between requests, into the writing of files and into commits.
//!
//! Little memory over many streams makes small buffers, so that a large stream is many commits and
//! a run can be killed between two of them.

use std::{process::Stdio, thread::sleep, time::Duration};

use crate::support::{Dice, NIGHT, ORDERS, Project, Shop};

/// Runs that are killed, all in all.
const KILLS: u64 = 20;
/// Kills that one project has to bear before it may finish.
const KILLS_OF_ONE: u64 = 4;
/// The longest wait after the last request that is counted.
const MOMENT: u64 = 40;

/// The command under test, its buffers as small as they get.
const EXTRACT: [&str; 3] = ["--memory", "64MB", "extract"];

/// A project whose buffers hold little more than a page.
fn project(shop: &Shop) -> Project {
    let project = Project::new(&shop.url());
    let config = project.read("inkhouse.toml");
    project.write("inkhouse.toml", &format!("{config}\n[run]\nparallel_streams = 64\n"));
    project
}

/// How often something was committed to Shopify's orders, as the table's own log tells.
fn commits(project: &Project) -> usize {
    let log = project.path().join("warehouse/raw/shopify/orders/_delta_log");
    let Ok(entries) = fs_err::read_dir(log) else { return 0 };
    entries.filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "json")).count()
}

/// Runs an extract and kills it; tells whether it was still running.
fn kill_one(project: &Project, shop: &Shop, requests: u64, moment: Duration) -> bool {
    let before = shop.requests();
    let mut child =
        project.command(&EXTRACT).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() && shop.requests() < before + requests {
        sleep(Duration::from_millis(1));
    }
    sleep(moment);
    let is_running = child.try_wait().unwrap().is_none();
    if is_running {
        child.kill().unwrap(); // SIGKILL: nothing can be tidied up
    }
    child.wait().unwrap();
    is_running
}

#[test]
fn runs_killed_at_twenty_points_leave_the_tables_of_an_undisturbed_run() {
    let mut dice = Dice::new();
    let seed = dice.seed;
    let shop = Shop::open(ORDERS, NIGHT, "");
    let calm = project(&shop);
    calm.run(&EXTRACT).succeeded();
    let whole = shop.requests();
    let raw = calm.raw_contents();
    // One commit makes the table; the rest are parts of one stream.
    let all_commits = commits(&calm);
    assert!(all_commits > 3, "{all_commits} commits: no run can be killed in mid-stream");

    let (mut killed, mut in_midstream) = (0, 0);
    let disturbed = loop {
        let project = project(&shop);
        let mut kills = 0;
        while kills < KILLS_OF_ONE {
            let moment = Duration::from_millis(dice.below(MOMENT));
            if !kill_one(&project, &shop, dice.below(whole), moment) {
                break; // it came to its end before
            }
            kills += 1;
            in_midstream += usize::from((2..all_commits).contains(&commits(&project)));
        }
        killed += kills;
        project.run(&EXTRACT).succeeded();
        assert!(project.raw_contents() == raw, "INKHOUSE_SEED={seed}: rows differ");
        if killed >= KILLS && in_midstream > 0 {
            break project;
        }
    };

    for project in [&calm, &disturbed] {
        project.run(&["build"]).succeeded();
    }
    let (want, got) = (calm.contents(), disturbed.contents());
    for (table, rows) in &want {
        assert!(got.get(table) == Some(rows), "INKHOUSE_SEED={seed}: {table} differs");
    }
}
