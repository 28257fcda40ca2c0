//! Analysts without Inkhouse: DuckDB, Polars and python deltalake agree with `inkhouse query`.

use std::process::Command;

use crate::{
    storage::rig,
    support::{NIGHT, ORDERS, Project, Shop, binary},
};

#[test]
fn independent_readers_agree_on_rows_and_sums_of_money() {
    let Some(python) = rig("readers", "python") else { return };
    let shop = Shop::open(ORDERS, NIGHT, "");
    let project = Project::new(&shop.url());
    project.run(&["run", "nightly"]).succeeded();
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/agree.py"))
        .arg(binary())
        .arg(project.path())
        .arg(project.path().join("warehouse"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("figures compared in 4 readers, 0 differences"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
