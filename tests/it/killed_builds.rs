//! Kill -9 in the middle of a build: readers keep a whole release, and the next build completes.
//!
//! A second night brings changes, so that most models replace a part of their rows. The build of
//! that night is killed at random moments, again and again on one warehouse, so that what a killed
//! build left behind (files, commits without a release) lies in the way of the next.
//!
//! A backfill is killed alike, and gone on with by `--resume`.
//!
//! `INKHOUSE_KILLS=50` kills more often; `INKHOUSE_SEED` draws the same moments again.

use std::{
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{Dice, MARTS, NEXT_NIGHT, NIGHT, ORDERS, Project, Shop, number};

/// Builds that are killed in the everyday run.
const KILLS: u64 = 6;

/// Backfills that are killed in the everyday run, one after the other on one warehouse.
const KILLED_BACKFILLS: u64 = 3;

/// What readers see: of every table its rows, its keys, its money.
fn seen(project: &Project) -> Vec<String> {
    let keys = [
        ("dim_designs", "design_id", "0"),
        ("dim_products", "product_id", "lowest_price_amount"),
        ("dim_customers", "customer_id", "0"),
        (
            "fct_order_line_costs",
            "order_line_id || '/' || component || '/' || source_document_id",
            "margin_amount",
        ),
        ("fct_order_lines", "order_line_id", "cm3_amount"),
        (
            "fct_unattributed_costs",
            "source_system || source_document_id || component || unattributed_reason",
            "margin_amount",
        ),
        (
            "agg_design_family_daily",
            "design_family || cast(order_date as text) || currency_code",
            "cm3_amount",
        ),
        ("fct_customer_family_affinity", "customer_id || '/' || design_family", "affinity_weight"),
        ("seg_aesthetic_members", "customer_id", "0"),
        ("klaviyo_profiles", "email", "0"),
    ];
    assert_eq!(keys.len(), MARTS.len());
    let counts = keys.map(|(table, key, money)| {
        format!(
            "select '{table}' as name, count(*) as all_rows, count(distinct {key}) as all_keys, \
             cast(sum({money}) as text) as money from {table}"
        )
    });
    let rows = project.query(&format!("{} order by name", counts.join(" union all ")));
    for row in &rows {
        let cells: Vec<&str> = row.split(',').collect();
        assert_eq!(cells[1], cells[2], "a key twice: {row}");
    }
    rows
}

#[test]
fn a_build_killed_anywhere_leaves_a_whole_release_and_the_next_completes() {
    let mut dice = Dice::new();
    let seed = dice.seed;
    let first = Shop::open(ORDERS, NIGHT, "");
    let second = Shop::open(ORDERS, NEXT_NIGHT, "");
    let night = |project: &Project| {
        project.run(&["extract"]).succeeded();
        project.run(&["build"]).succeeded();
        project.point_at(&second.url());
        project.run_at(NEXT_NIGHT, &["extract"]).succeeded();
    };
    let calm = Project::new(&first.url());
    night(&calm);
    let before = seen(&calm);
    let began = Instant::now();
    calm.run_at(NEXT_NIGHT, &["build"]).succeeded();
    let whole = u64::try_from(began.elapsed().as_millis()).unwrap();
    let after = seen(&calm);
    assert!(before != after, "the second night brought nothing, and a kill would prove nothing");

    let wanted = number("INKHOUSE_KILLS").unwrap_or(KILLS);
    let (mut killed, mut ended) = (0, 0);
    while killed < wanted {
        let project = Project::new(&first.url());
        night(&project);
        // Not too many on one: in the end its build must complete.
        for _ in 0..10 {
            let mut child = project
                .command_at(NEXT_NIGHT, &["build"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            sleep(Duration::from_millis(dice.below(whole)));
            let is_running = child.try_wait().unwrap().is_none();
            if is_running {
                child.kill().unwrap(); // SIGKILL: nothing can be tidied up
            }
            child.wait().unwrap();
            let now = seen(&project);
            assert!(now == before || now == after, "INKHOUSE_SEED={seed}: half a night: {now:#?}");
            killed += u64::from(is_running);
            if !is_running || killed >= wanted {
                break;
            }
        }
        project.run_at(NEXT_NIGHT, &["build", "--verify"]).succeeded();
        assert_eq!(seen(&project), after, "INKHOUSE_SEED={seed}");
        ended += 1;
    }
    eprintln!("{killed} builds killed on {ended} warehouses, seed {seed}");
}

#[test]
fn a_backfill_killed_anywhere_goes_on_where_it_was() {
    let mut dice = Dice::new();
    let seed = dice.seed;
    let shop = Shop::open(ORDERS, NIGHT, "");
    let project = Project::new(&shop.url());
    project.run(&["extract"]).succeeded();
    project.run(&["build"]).succeeded();
    let whole = seen(&project);
    let began = Instant::now();
    project.run(&["build", "--from", "2025-06"]).succeeded();
    let calm = u64::try_from(began.elapsed().as_millis()).unwrap();

    let state = project.path().join("warehouse/_inkhouse/backfills/prod.json");
    let mut resumed = 0;
    for _ in 0..number("INKHOUSE_KILLS").unwrap_or(KILLED_BACKFILLS) {
        let on: &[&str] = if state.exists() { &["--resume"] } else { &["--from", "2025-06"] };
        resumed += u64::from(state.exists());
        let mut child = project
            .command(&[&["build"], on].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        sleep(Duration::from_millis(dice.below(calm / 2)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen(&project), whole, "INKHOUSE_SEED={seed}: readers saw a part");
    }
    if state.exists() {
        resumed += 1;
        project.run(&["build", "--resume"]).succeeded();
    }
    assert!(resumed > 0, "INKHOUSE_SEED={seed}: no backfill was ever under way when it was killed");
    assert!(!state.exists());
    project.run(&["build", "--verify"]).succeeded();
    assert_eq!(seen(&project), whole, "INKHOUSE_SEED={seed}");
    eprintln!("a backfill gone on with {resumed} times, seed {seed}");
}
