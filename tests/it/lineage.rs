//! Lineage, what a change changes, and the page of the models: of a folder in which nothing ran.

use std::{path::Path, process::Command};

use crate::support::{Ran, inkhouse};

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "user.name=a", "-c", "user.email=a@example.com"]);
    let ran = command.args(arguments).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn a_folder_in_which_nothing_ran_has_lineage_a_page_and_differences() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let run = |arguments: &[&str]| -> Ran { inkhouse(&[&["--project", path], arguments].concat()) };
    run(&["init"]).succeeded();

    let tree = run(&["lineage", "fct_order_lines.cm3_amount", "--up"]).succeeded().stdout;
    assert!(tree.starts_with("fct_order_lines.cm3_amount  decimal(18, 4)"), "{tree}");
    assert!(tree.contains("raw.shopify.orders.") && !tree.contains("goes into"), "{tree}");
    for (format, opens) in
        [("json", "{"), ("dot", "digraph"), ("mermaid", "flowchart"), ("openlineage", "{")]
    {
        let answer = run(&["lineage", "dim_designs", "--format", format]).succeeded().stdout;
        assert!(answer.starts_with(opens), "{format}: {answer}");
    }
    let unknown = run(&["lineage", "fct_order_lines.cm4_amount"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.all().contains("did you mean `cm"), "{}", unknown.all());

    let page = folder.path().join("models.html");
    run(&["docs", "--out", page.to_str().unwrap()]).succeeded();
    let page = fs_err::read_to_string(page).unwrap();
    assert!(page.contains("fct_order_line_costs") && page.contains("</html>"));

    let outside = run(&["lineage", "diff", "HEAD"]);
    assert_eq!(outside.code, 2);
    assert!(outside.all().contains("is in no git repository"), "{}", outside.all());
    let mine = folder.path().join("sql/agg_mine.sql");
    let model = |how: &str| {
        format!(
            "-- One row per family.\n--! kind = \"full\"\n--! key = [\"design_family\"]\n\
             select design_family, {how} as line_count\nfrom fct_order_lines\n\
             where design_family is not null\ngroup by design_family\n"
        )
    };
    fs_err::create_dir_all(mine.parent().unwrap()).unwrap();
    fs_err::write(&mine, model("count(*)")).unwrap();
    git(folder.path(), &["init", "-q"]);
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "-q", "-m", "first"]);
    let same = run(&["lineage", "diff", "HEAD"]).succeeded().stdout;
    assert!(same.contains("Nothing differs"), "{same}");
    fs_err::write(&mine, model("count(distinct order_id)")).unwrap();
    let differs = run(&["lineage", "diff", "HEAD"]).succeeded().stdout;
    assert!(differs.contains("| `agg_mine` | `line_count` no longer from"), "{differs}");
    assert!(differs.contains("No export is touched."), "{differs}");
    let machine = run(&["--json", "lineage", "diff", "HEAD"]).succeeded().stdout;
    let machine: serde_json::Value = serde_json::from_str(machine.trim()).unwrap();
    assert_eq!(machine["changed"][0]["columns"][0]["change"], "resourced");
    let unknown = run(&["lineage", "diff", "nonsense"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.all().contains("git knows no revision `nonsense`"), "{}", unknown.all());
}
