//! What goes wrong for everybody once: one clear error, a hint, the right exit code, nothing lost.

use std::process::Command;

use crate::support::{NEXT_NIGHT, NIGHT, ORDERS, Project, Ran, Shop, inkhouse, undisturbed};

/// Vendors' tokens of the sandbox: none may ever be printed.
const SECRETS: [&str; 6] =
    ["shpat_sandbox", "pat_sandbox", "pf_sandbox", "rk_test_sandbox", "EAAsandbox", "pk_sandbox"];

#[track_caller]
fn one_error(ran: &Ran, code: i32, names: &[&str]) {
    assert_eq!(ran.code, code, "stdout:\n{}\nstderr:\n{}", ran.stdout, ran.stderr);
    let errors = ran.stderr.lines().filter(|l| l.starts_with("error")).count();
    assert_eq!(errors, 1, "one error, not {errors}:\n{}", ran.stderr);
    for name in names {
        assert!(ran.stderr.contains(name), "`{name}` is not named in:\n{}", ran.stderr);
    }
    for secret in SECRETS {
        assert!(!ran.all().contains(secret), "a secret was printed:\n{}", ran.all());
    }
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

#[track_caller]
fn hinted(ran: &Ran) {
    assert!(ran.stderr.contains("hint:"), "no hint in:\n{}", ran.stderr);
}

#[test]
fn a_wrong_token_names_the_vendor_and_keeps_what_others_brought() {
    let shop = Shop::open(60, NIGHT, "");
    let project = Project::new(&shop.url());
    project.write("secrets/shopify", "shpat_wrong_one");
    let ran = project.run(&["run", "nightly"]);
    one_error(&ran, 1, &["shopify", "token"]);
    hinted(&ran);
    assert!(!ran.all().contains("shpat_wrong_one"), "the wrong token was printed");
    // The other sources landed, nothing was published, and a right token finishes the night.
    assert_ne!(project.query("select count(*) from raw.printify.orders"), ["0"]);
    project.write("secrets/shopify", "shpat_sandbox");
    project.run(&["run", "nightly"]).succeeded();
    assert_ne!(project.query("select count(*) from fct_order_lines"), ["0"]);
}

#[test]
fn an_unreachable_host_is_worth_another_try() {
    // The port was free a moment ago and nobody listens there any more.
    let url = Shop::open(10, NIGHT, "").url();
    let shop = Shop::open(60, NIGHT, "");
    let project = Project::new(&shop.url());
    let config = project.read("inkhouse.toml");
    let reachable = format!("{}/printify", shop.url());
    project.write("inkhouse.toml", &config.replace(&reachable, &format!("{url}/printify")));
    let ran = project.run(&["extract"]);
    one_error(&ran, 75, &["printify", "kept"]);
    hinted(&ran);
    // What the others brought stays, and the next try ends in what a night without trouble brings.
    assert_eq!(project.query("select count(*) from raw.shopify.orders"), ["60"]);
    assert_eq!(project.query("select count(*) from raw.printify.orders"), ["0"]);
    project.write("inkhouse.toml", &config);
    project.run(&["extract"]).succeeded();
    let calm = Project::new(&shop.url());
    calm.run(&["extract"]).succeeded();
    assert!(project.raw_contents() == calm.raw_contents(), "a row was lost, or is there twice");
}

#[test]
fn a_malformed_config_is_shown_where_it_is_wrong() {
    let project = Project::new("http://127.0.0.1:9");
    let config = project.read("inkhouse.toml").replace("store_id", "stor_id");
    project.write("inkhouse.toml", &config);
    let ran = project.run(&["check"]);
    let line = config.lines().position(|l| l.contains("stor_id")).unwrap() + 1;
    one_error(&ran, 2, &[&format!("inkhouse.toml:{line}:1"), "stor_id", "^", "store_id"]);
    hinted(&ran);

    project.write("inkhouse.toml", "[warehouse\nurl = 3\n");
    let ran = project.run(&["check"]);
    one_error(&ran, 2, &["inkhouse.toml:1:", "^"]);
    hinted(&ran);
}

#[test]
fn a_literal_secret_in_the_config_is_refused() {
    let project = Project::new("http://127.0.0.1:9");
    let config =
        project.read("inkhouse.toml").replace("{ file = \"secrets/stripe\" }", "\"rk_live_oops\"");
    project.write("inkhouse.toml", &config);
    let ran = project.run(&["check"]);
    one_error(&ran, 2, &["inkhouse.toml"]);
    hinted(&ran);
    assert!(!ran.all().contains("rk_live_oops"), "{}", ran.all());
}

#[test]
fn an_unknown_column_stops_before_anything_is_built() {
    let shop = Shop::open(60, NIGHT, "");
    let project = Project::new(&shop.url());
    project.run(&["run", "nightly"]).succeeded();
    let before = project.contents();
    project.write(
        "sql/marts/agg_mine.sql",
        "-- My own sums.\n--\n--! kind = \"full\"\n--! key  = [\"order_id\"]\nselect order_id, sum(net_sale_amount) as net_amount\nfrom fct_order_lines\ngroup by order_id\n",
    );
    for command in ["check", "build"] {
        let ran = project.run(&[command]);
        one_error(&ran, 2, &["agg_mine.sql:5:", "net_sale_amount", "net_sales_amount"]);
        hinted(&ran);
    }
    fs_err::remove_file(project.path().join("sql/marts/agg_mine.sql")).unwrap();
    assert!(project.contents() == before, "a failed build changed a table");
}

#[test]
fn a_failed_check_publishes_nothing() {
    let shop = Shop::open(60, NIGHT, "");
    let project = Project::new(&shop.url());
    project.run(&["run", "nightly"]).succeeded();
    let before = project.contents();
    project.write(
        "sql/marts/agg_mine.sql",
        "-- My own sums.\n--\n--! kind   = \"full\"\n--! key    = [\"order_id\"]\n--! checks = [\"line_count < 2\"]\nselect order_id, count(*) as line_count\nfrom fct_order_lines\ngroup by order_id\n",
    );
    let ran = project.run(&["build"]);
    one_error(&ran, 1, &["agg_mine", "line_count < 2"]);
    hinted(&ran);
    let ran = project.run(&["query", "select count(*) from agg_mine"]);
    assert_ne!(ran.code, 0, "a model that failed its check was published");
    fs_err::remove_file(project.path().join("sql/marts/agg_mine.sql")).unwrap();
    assert!(project.contents() == before, "a build that failed its check changed a table");
}

#[test]
fn a_value_that_does_not_fit_is_told_without_the_value() {
    let shop = Shop::open(60, NIGHT, "");
    let project = Project::new(&shop.url());
    project.run(&["run", "nightly"]).succeeded();
    let before = project.contents();
    project.write(
        "sql/marts/agg_mine.sql",
        "-- Numbers of customers.\n--\n--! kind = \"full\"\n--! key  = [\"customer_id\"]\nselect customer_id, cast(email as bigint) as number\nfrom dim_customers\n",
    );
    let ran = project.run(&["build"]);
    one_error(&ran, 1, &["agg_mine", "'***'", "nothing was published", "try_cast"]);
    assert!(!ran.all().contains("example.com"), "somebody's address:\n{}", ran.all());
    fs_err::remove_file(project.path().join("sql/marts/agg_mine.sql")).unwrap();
    assert!(project.contents() == before, "a build that failed changed a table");
}

#[test]
fn an_unknown_flag_is_answered_with_a_suggestion() {
    let ran = inkhouse(&["demo", "--order", "5"]);
    one_error(&ran, 2, &["--order", "--orders"]);
}

/// A disk of a few bytes, gone with the value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` after saying that the test is skipped.
    fn mount(kilobytes: u64) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        if disk.has(&format!("size={kilobytes}k")) {
            return Some(disk);
        }
        assert!(
            std::env::var_os("INKHOUSE_REQUIRE_RIGS").is_none(),
            "a small disk cannot be mounted, and nothing may be skipped"
        );
        eprintln!("skipped: mounting a small disk needs root");
        None
    }

    fn has(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path());
        mount.status().is_ok_and(|status| status.success())
    }

    fn resize(&self, kilobytes: u64) {
        assert!(self.has(&format!("remount,size={kilobytes}k")));
    }

    fn used_kilobytes(&self) -> u64 {
        let used = Command::new("du").arg("-sk").arg(self.0.path()).output().unwrap();
        let used = String::from_utf8(used.stdout).unwrap();
        used.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn project(&self, shop: &Shop) -> Project {
        let url = format!("url = \"file://{}/warehouse\"\n", self.0.path().display());
        Project::with_warehouse(&shop.url(), &url)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0.path()).status().ok();
    }
}

#[test]
fn a_full_disk_stops_cleanly_and_the_next_run_goes_on() {
    let shop = Shop::open(ORDERS, NIGHT, "");
    let Some(disk) = SmallDisk::mount(600) else { return };
    let project = disk.project(&shop);
    let ran = project.run(&["run", "nightly"]);
    one_error(&ran, 1, &["space"]);
    hinted(&ran);
    disk.resize(200 << 10);
    project.run(&["run", "nightly"]).succeeded();
    let contents = project.contents();
    for (table, rows) in undisturbed() {
        assert!(contents.get(table) == Some(rows), "{table} differs after a full disk");
    }
}

#[test]
fn a_disk_that_fills_up_during_a_build_names_the_model_and_publishes_nothing() {
    let shop = Shop::open(ORDERS, NIGHT, "");
    let Some(disk) = SmallDisk::mount(200 << 10) else { return };
    let project = disk.project(&shop);
    project.run(&["run", "nightly"]).succeeded();
    let whole = project.marts();
    let later = Shop::open(ORDERS, NEXT_NIGHT, "");
    project.point_at(&later.url());
    project.run_at(NEXT_NIGHT, &["extract"]).succeeded();
    // Enough for some of the tables, not for all.
    disk.resize(disk.used_kilobytes() + 200);
    let ran = project.run_at(NEXT_NIGHT, &["build"]);
    one_error(&ran, 1, &["model `", "space", "nothing was published"]);
    hinted(&ran);
    assert!(project.marts() == whole, "a build on a full disk changed what readers see");
    disk.resize(200 << 10);
    project.run_at(NEXT_NIGHT, &["build", "--verify"]).succeeded();
    assert!(project.marts() != whole, "the second night brought nothing");
}
