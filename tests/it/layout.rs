//! The rules of the house, made real: what lies at the top, how files open, how long they are.

use std::path::{Path, PathBuf};

const LINES: usize = 600;

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with this extension, in the order of the paths; dotted folders and
/// build output are left out.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn the_top_level_holds_these_and_nothing_else() {
    let mut names: Vec<String> = fs_err::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "Cargo.lock",
            "Cargo.toml",
            "LICENSE",
            "README.md",
            "connectors",
            "jobs",
            "sql",
            "tests",
            "warehouse"
        ]
    );
}

#[test]
fn every_source_file_says_what_it_is_and_stays_short() {
    let mut faults = Vec::new();
    for path in files(&root(), "rs") {
        let text = fs_err::read_to_string(&path).unwrap();
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        if !text.starts_with("//! ") {
            faults.push(format!("{shown}: does not open with `//!`"));
        }
        let lines = text.lines().count();
        if lines > LINES {
            faults.push(format!("{shown}: {lines} lines, at most {LINES}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_folder_of_the_house_has_its_manual() {
    for folder in [".", "jobs", "connectors", "connectors/sandbox", "warehouse", "sql", "tests"] {
        assert!(root().join(folder).join("README.md").is_file(), "{folder}/README.md is missing");
    }
}

#[test]
fn every_model_has_prose_and_a_header() {
    let mut faults = Vec::new();
    let models = files(&root().join("sql"), "sql");
    assert!(models.len() > 30, "found {} models only", models.len());
    for path in models {
        let text = fs_err::read_to_string(&path).unwrap();
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        if !text.starts_with("-- ") {
            faults.push(format!("{shown}: does not open with prose"));
        }
        if !text.lines().any(|line| line.starts_with("--! ")) {
            faults.push(format!("{shown}: no `--!` header"));
        }
        if text.lines().any(|line| line.chars().count() > 140) {
            faults.push(format!("{shown}: a line is over 140 columns"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_file_carries_a_path_of_a_machine() {
    let mut faults = Vec::new();
    for extension in ["rs", "sql", "md", "toml", "py"] {
        for path in files(&root(), extension) {
            let text = fs_err::read_to_string(&path).unwrap();
            for word in ["/work/", "/root/", "/home/"] {
                // This file has to name them.
                if text.contains(word) && !path.ends_with("tests/it/layout.rs") {
                    faults.push(format!("{}: contains `{word}`", path.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
