//! What a person types, from an empty folder to the second look at the shop.

use std::{io::Write as _, process::Stdio};

use crate::support::{NIGHT, Project, Ran, Shop, inkhouse};

#[test]
fn a_new_folder_passes_its_check_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    inkhouse(&["--project", path, "init"]).succeeded();
    let config = folder.path().join("inkhouse.toml");
    let text = fs_err::read_to_string(&config).unwrap();
    let checked = inkhouse(&["--project", path, "check"]).succeeded();
    assert!(checked.stdout.starts_with("ok: "), "{}", checked.stdout);
    assert!(checked.stdout.contains("planned"), "{}", checked.stdout);

    fs_err::write(&config, format!("{text}\n# mine\n")).unwrap();
    let again = inkhouse(&["--project", path, "init"]);
    assert_eq!(again.code, 2, "{}", again.all());
    assert!(fs_err::read_to_string(&config).unwrap().ends_with("# mine\n"));
}

#[test]
fn a_check_tells_of_what_was_asked_whatever_else_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    inkhouse(&["--project", path, "init"]).succeeded();
    let own = folder.path().join("sql/intermediate");
    fs_err::create_dir_all(&own).unwrap();
    let write = |name: &str, text: &[u8]| fs_err::write(own.join(name), text).unwrap();
    let head = "-- One row per order.\n--! kind = \"full\"\n--! key  = [\"order_idd\"]\n";
    let model = |sql: &str| format!("{head}{sql}\n").into_bytes();
    write("int_misspelt.sql", &model("select order_id from stg_shopify__orders"));
    write("int_behind.sql", &model("select order_id as order_idd from int_latin"));
    let sound = model("select order_id as order_idd from stg_shopify__orders");
    write("int_marked.sql", &["\u{feff}".as_bytes(), &sound].concat());
    let mut latin = model("select 'caf");
    latin.pop();
    write("int_latin.sql", &[&latin, &b"\xe9' as order_idd\n"[..]].concat());
    let check = |select: &[&str]| inkhouse(&[&["--project", path, "check"], select].concat());

    check(&["int_marked"]).succeeded();
    let one = check(&["int_misspelt"]);
    assert_eq!(one.code, 2, "{}", one.all());
    assert!(one.stderr.contains("[E030]") && !one.stderr.contains("int_latin"), "{}", one.stderr);
    assert!(one.stderr.contains("3 | --! key  = [\"order_idd\"]"), "{}", one.stderr);
    let none = check(&["nonsuch"]);
    assert!(none.stderr.contains("no model is called `nonsuch`"), "{}", none.stderr);
    let behind = check(&["int_behind"]);
    let place = "int_latin.sql:4:12: a byte that is not UTF-8 [E004]";
    assert!(behind.stderr.contains(place), "{}", behind.stderr);
    assert!(behind.stderr.contains("not looked at: 1 model"), "{}", behind.stderr);
    let all = check(&[]);
    assert!(all.stderr.contains(place) && all.stderr.contains("[E030]"), "{}", all.stderr);
    assert!(all.stderr.contains("2 findings in the models"), "{}", all.stderr);
    let machine = check(&["--json", "int_misspelt"]);
    let found = json(machine.stdout.lines().find(|line| line.contains("E030")).unwrap());
    assert_eq!((&found["model"], &found["width"]), (&"int_misspelt".into(), &9.into()));
}

/// `query` with this on stdin.
fn piped(project: &Project, sql: &str) -> Ran {
    let mut command = project.command(&["query", "--format", "csv"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

fn json(line: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn every_command_of_a_shops_first_day_does_what_it_says() {
    let shop = Shop::open(60, NIGHT, "");
    let project = Project::new(&shop.url());
    let before = project.run(&["status"]).succeeded().stdout;
    for words in ["no release yet", "none yet", "never"] {
        assert!(before.contains(words), "no `{words}` in:\n{before}");
    }

    // By hand, one stream and no other.
    project.run(&["extract", "shopify", "--stream", "orders"]).succeeded();
    assert_eq!(project.query("select count(*) from raw.shopify.orders"), ["60"]);
    assert_eq!(project.query("select count(*) from raw.shopify.products"), ["0"]);

    let night = project.run(&["--json", "run", "nightly"]).succeeded();
    assert!(night.stdout.lines().count() > 10, "{}", night.stdout);
    for line in night.stdout.lines() {
        assert!(!json(line).is_empty(), "{line}");
    }
    let after = project.run(&["status"]).succeeded().stdout;
    for words in ["release 1,", "nightly", "succeeded", "shopify.orders"] {
        assert!(after.contains(words), "no `{words}` in:\n{after}");
    }

    // Nothing is left to send, and what was sent is not sent again.
    let (writes, received) = (shop.klaviyo_writes(), shop.running.klaviyo_profiles());
    assert!(writes > 0 && !received.is_empty());
    project.run(&["export"]).succeeded();
    assert_eq!(shop.klaviyo_writes(), writes);
    assert!(shop.running.klaviyo_profiles() == received);
}

#[test]
fn a_query_is_answered_in_every_form_and_from_everywhere() {
    let project = Project::new("http://127.0.0.1:9");
    let sql = "select 1 as one, 'a,b' as text, cast(null as varchar) as nothing";
    let table = project.run(&["query", sql]).succeeded().stdout;
    assert!(table.contains("one") && table.contains("a,b"), "{table}");
    let csv = "one,text,nothing\n1,\"a,b\",\n";
    assert_eq!(project.run(&["query", "--format", "csv", sql]).succeeded().stdout, csv);
    let rows = project.run(&["query", "--format", "json", sql]).succeeded().stdout;
    let lines: Vec<&str> = rows.lines().collect();
    assert_eq!(lines.len(), 1, "{rows}");
    let row = json(lines[0]);
    assert_eq!(row["one"], 1);
    assert_eq!(row["text"], "a,b");
    assert!(row.get("nothing").is_none_or(serde_json::Value::is_null), "{rows}");

    project.write("mine.sql", sql);
    let file = project.path().join("mine.sql");
    let from_file = project.run(&["query", "--format", "csv", "-f", file.to_str().unwrap()]);
    assert_eq!(from_file.succeeded().stdout, csv);
    assert_eq!(piped(&project, sql).succeeded().stdout, csv);
    assert_eq!(piped(&project, " \n").code, 2);
}
