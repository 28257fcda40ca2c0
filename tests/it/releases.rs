//! Releases and environments as a person at a terminal meets them.

use std::process::Stdio;

use crate::support::{NIGHT, Project, Ran, Shop};

const FEES: &str = "select sum(payment_fee_amount) from fct_order_lines";

/// A mart of the house, changed in one place.
fn change(project: &Project, model: &str, from: &str, to: &str) {
    let path = crate::layout::root().join("sql").join(model);
    let text = fs_err::read_to_string(path).unwrap();
    assert!(text.contains(from), "`{from}` is not in {model}");
    project.write(&format!("sql/{model}"), &text.replace(from, to));
}

#[track_caller]
fn says(ran: &Ran, words: &[&str]) {
    for word in words {
        assert!(ran.all().contains(word), "no `{word}` in:\n{}", ran.all());
    }
}

/// The one line of `--json` whose event is `event`.
fn event(ran: &Ran, event: &str) -> serde_json::Value {
    let lines = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.into_iter().find(|line: &serde_json::Value| line["event"] == event).unwrap()
}

#[test]
fn a_change_is_planned_tried_compared_promoted_and_taken_back() {
    let shop = Shop::open(60, NIGHT, "");
    let project = Project::new(&shop.url());
    says(&project.run(&["releases"]), &["nothing was built in environment `prod` yet"]);
    project.run(&["run", "nightly"]).succeeded();
    says(&project.run(&["plan"]).succeeded(), &["0 to run"]);
    let before = project.query(FEES);

    change(
        &project,
        "marts/margin/fct_order_lines.sql",
        "cast(coalesce(sums.payment_fee_amount, 0) as",
        "cast(coalesce(sums.payment_fee_amount, 0) - 1 as",
    );
    let plan = project.run(&["plan", "--env", "dev"]).succeeded();
    says(
        &plan,
        &["fct_order_lines: full", "the SQL changed", "may run, it reads `fct_order_lines`"],
    );
    let planned = project.run(&["--json", "plan", "fct_order_lines"]).succeeded();
    assert_eq!(event(&planned, "planned")["way"], "full");
    says(&project.run(&["releases", "--env", "dev"]), &["nothing was built in environment `dev`"]);
    let why = project.run(&["explain", "fct_order_lines"]).succeeded();
    says(&why, &["fct_order_lines: built whole", "the SQL changed", "found by `order_id`"]);
    let why = project.run(&["--json", "explain", "stg_shopify__orders"]).succeeded();
    assert_eq!(event(&why, "explain")["way"], "unchanged");
    let nobody = project.run(&["explain", "fct_order_line"]);
    assert_eq!(nobody.code, 2);
    says(&nobody, &["did you mean `fct_order_lines`?"]);
    says(&project.run(&["plan", "changed"]).succeeded(), &["1 model against", "1 to run"]);
    says(&project.run(&["check", "changed"]).succeeded(), &["1 model planned"]);

    says(&project.run(&["build", "--env", "dev"]).succeeded(), &["in `dev`"]);
    let left = project.run(&["plan", "changed", "--env", "dev"]).succeeded();
    says(&left, &["0 models against"]);
    assert_eq!(project.query(FEES), before, "prod does not see it");
    let there = project.run(&["query", "--env", "dev", "--format", "csv", FEES]).succeeded();
    let tried: Vec<String> = there.stdout.lines().skip(1).map(str::to_owned).collect();
    assert_ne!(tried, before);

    let diff = project.run(&["diff", "prod", "dev"]).succeeded();
    says(&diff, &["prod@1 -> dev@1", "by order_line_id", "sum of payment_fee_amount", " USD"]);
    let diff = project.run(&["diff", "prod", "dev", "--format", "markdown"]).succeeded();
    says(&diff, &["### `prod@1` -> `dev@1`", "| `fct_order_lines`"]);
    let diff = project.run(&["--json", "diff", "prod", "dev", "fct_order_lines"]).succeeded();
    let diff: serde_json::Value = serde_json::from_str(&diff.stdout).unwrap();
    assert_eq!(diff["tables"][0]["rows"]["key"][0], "order_line_id");
    assert_eq!(project.run(&["diff", "prod", "dev", "--fail-if-diff"]).code, 1);
    assert_eq!(project.run(&["diff", "1", "prod", "--fail-if-diff"]).code, 0);
    assert_eq!(project.run(&["diff", "1", "Dev"]).code, 2);

    let promoted = project.run(&["promote", "dev"]).succeeded();
    says(&promoted, &["release 2 of `prod` has", "fct_order_lines"]);
    assert_eq!(project.query(FEES), tried);
    says(&project.run(&["promote", "dev"]).succeeded(), &["nothing to do"]);
    says(&project.run(&["build"]).succeeded(), &["nothing new"]);
    says(&project.run(&["environments"]).succeeded(), &["prod", "dev"]);

    says(
        &project.run(&["rollback", "1"]).succeeded(),
        &["release 3 of `prod` holds the tables of release 1"],
    );
    assert_eq!(project.query(FEES), before);
    let older = project.run(&["query", "--release", "2", "--format", "csv", FEES]).succeeded();
    assert_eq!(older.stdout.lines().nth(1), tried.first().map(String::as_str));
    let listed = project.run(&["releases"]).succeeded();
    says(&listed, &["promoted from dev 1", "rollback to release 1"]);
    let newest = project.run(&["--json", "releases", "--limit", "1"]).succeeded();
    assert_eq!(event(&newest, "release")["number"], 3);
    assert_eq!(project.run(&["rollback", "77"]).code, 2);

    let dropped = project.run(&["environments", "drop", "dev"]);
    assert_eq!(dropped.code, 2);
    says(&dropped, &["nothing was deleted", "--yes"]);
    project.run(&["environments", "drop", "dev", "--yes"]).succeeded();
    assert_eq!(project.run(&["environments", "drop", "prod", "--yes"]).code, 2);
    let older = project.run(&["query", "--release", "2", "--format", "csv", FEES]).succeeded();
    assert_eq!(older.stdout.lines().nth(1), tried.first().map(String::as_str), "its files stay");
}

/// A model that needs no data; `number` is what it holds.
fn race_model(project: &Project, number: usize) {
    let text = format!(
        "-- One row.\n--! kind = \"full\"\n--! key = [\"number\"]\nselect {number} as number\n"
    );
    project.write("sql/marts/agg_first.sql", &text);
    let text = "-- One row.\n--! kind = \"full\"\n--! key = [\"number\"]\nselect number * 2 as number from agg_first\n";
    project.write("sql/marts/agg_second.sql", text);
}

#[test]
fn of_two_builds_at_once_one_publishes_and_the_other_says_so() {
    let project = Project::new("http://127.0.0.1:9");
    race_model(&project, 0);
    project.run(&["build", "agg_first", "agg_second"]).succeeded();
    let mut races = 0;
    for number in 1..=10 {
        race_model(&project, number);
        let builds = [(); 2].map(|()| {
            let mut command = project.command(&["build", "agg_first", "agg_second"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        });
        let ended = builds.map(|build| Ran::of(build.wait_with_output().unwrap()));
        let lost: Vec<&Ran> = ended.iter().filter(|ran| ran.code != 0).collect();
        assert!(lost.len() < 2, "both lost:\n{}\n{}", lost[0].all(), lost[1].all());
        for lost in &lost {
            assert_eq!(lost.code, 75, "{}", lost.all());
            says(lost, &["was published by another build; this one was not", "hint:"]);
        }
        races += lost.len();
        // One release more, whoever won, and what readers see is whole.
        let newest = project.run(&["--json", "releases", "--limit", "1"]).succeeded();
        assert_eq!(event(&newest, "release")["number"], number + 1);
        let rows = project.query(
            "select agg_first.number, agg_second.number from agg_first cross join agg_second",
        );
        assert_eq!(rows, [format!("{number},{}", 2 * number)]);
        says(&project.run(&["build", "agg_first", "agg_second"]).succeeded(), &["nothing new"]);
        if races > 0 {
            return;
        }
    }
    panic!("no two builds ever met");
}
