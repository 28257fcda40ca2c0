//! Kill -9 in the middle of the extract, run again: the tables of an undisturbed run.

use std::{process::Stdio, thread::sleep, time::Duration};

use crate::support::{NIGHT, ORDERS, Project, Shop};

/// How often the run is killed before it may finish. The points are spread over the time that an
/// undisturbed extract takes, by a fixed scatter, so that every run of the suite tries others
/// only when the machine's speed differs.
const KILLS: u32 = 20;

#[test]
fn a_run_killed_at_twenty_points_leaves_the_tables_of_an_undisturbed_run() {
    let shop = Shop::open(ORDERS, NIGHT, "");
    let calm = Project::new(&shop.url());
    let started = std::time::Instant::now();
    calm.run(&["extract"]).succeeded();
    let takes = started.elapsed();
    calm.run(&["build"]).succeeded();

    let disturbed = Project::new(&shop.url());
    let mut killed = 0;
    for attempt in 0..KILLS {
        let mut child = disturbed
            .command(&["extract"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // 7 is prime to 20: every twentieth of the run is hit once, in a scattered order.
        let share = f64::from((attempt * 7) % KILLS + 1) / f64::from(KILLS + 1);
        sleep(Duration::from_secs_f64(takes.as_secs_f64() * share));
        // SIGKILL: nothing can be tidied up.
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        }
        child.wait().unwrap();
    }
    assert!(killed >= 5, "only {killed} runs were killed before they ended");
    disturbed.run(&["extract"]).succeeded();
    disturbed.run(&["build"]).succeeded();

    let (want, got) = (calm.contents(), disturbed.contents());
    for (table, rows) in &want {
        assert!(got.get(table) == Some(rows), "{table} differs after {killed} kills");
    }
}
