//! Whole nights: equal to the truth to the cent, quiet when nothing is new, right when something is.

use crate::support::{NEXT_NIGHT, NIGHT, ORDERS, Project, Shop, inkhouse};

#[test]
fn the_demo_equals_the_truth_to_the_cent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop");
    let ran =
        inkhouse(&["demo", "--orders", "800", "--seed", "3", "--dir", path.to_str().unwrap()])
            .succeeded();
    assert!(ran.stdout.contains("every cent of every line equal"), "{}", ran.all());
    // A name in this list each night would teach people not to read it.
    assert!(!ran.all().contains("unknown fields"), "{}", ran.all());
    for family in ["goth", "untagged"] {
        assert!(ran.stdout.contains(family), "{}", ran.stdout);
    }
}

#[test]
fn a_second_night_with_nothing_new_adds_no_row_and_writes_nothing() {
    let shop = Shop::open(ORDERS, NIGHT, "");
    let project = Project::new(&shop.url());
    project.run(&["run", "nightly"]).succeeded();
    let before = project.contents();
    let writes = shop.klaviyo_writes();
    assert!(writes > 0, "the first night must write");

    let second = project.run(&["run", "nightly"]).succeeded();
    assert!(
        second.all().contains("nothing new: 0 rows added to raw, 0 models rebuilt, 0 API writes"),
        "{}",
        second.all()
    );
    assert_eq!(shop.klaviyo_writes(), writes);
    assert!(project.contents() == before, "a table changed though nothing was new");
}

#[test]
fn the_next_night_equals_a_first_night_at_that_time() {
    let project = {
        let first = Shop::open(ORDERS, NIGHT, "");
        let project = Project::new(&first.url());
        project.run(&["run", "nightly"]).succeeded();
        let second = Shop::open(ORDERS, NEXT_NIGHT, "");
        let moved = project.read("inkhouse.toml").replace(&first.url(), &second.url());
        project.write("inkhouse.toml", &moved);
        project.run_at(NEXT_NIGHT, &["run", "nightly"]).succeeded();
        project
    };
    let shop = Shop::open(ORDERS, NEXT_NIGHT, "");
    let fresh = Project::new(&shop.url());
    fresh.run_at(NEXT_NIGHT, &["run", "nightly"]).succeeded();

    let (incremental, full) = (project.contents(), fresh.contents());
    for (table, rows) in &full {
        // Raw holds both nights' versions of what changed.
        if table != "raw" {
            assert!(incremental.get(table) == Some(rows), "{table} differs from a full night");
        }
    }
}
