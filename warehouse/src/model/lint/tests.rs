//! The corpus of `tests/check`: every faulty file has its findings at its places, every sound one none.
//!
//! A file says at its end what is expected: `--? E011 12:5`, one line a finding, and `--? as PATH`
//! where it is not called `int_<stem>.sql`.

use std::collections::BTreeSet;

use crate::model::shop::{files, findings};
use crate::model::{ModelSource, code};

/// A finding as the file writes it.
type Expected = (String, usize, usize);

fn read(stem: &str, text: &str) -> (ModelSource, Vec<Expected>) {
    let mut path = format!("int_{stem}.sql");
    let mut expected = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("--? ")) {
        if let Some(name) = line.strip_prefix("as ") {
            name.clone_into(&mut path);
            continue;
        }
        let (code, place) = line.split_once(' ').unwrap();
        let (line, column) = place.split_once(':').unwrap();
        expected.push((code.to_owned(), line.parse().unwrap(), column.parse().unwrap()));
    }
    (ModelSource { path, text: text.to_owned() }, expected)
}

/// What differs from what the files of a folder expect; the codes that they expect.
fn compare(folder: &str) -> (Vec<String>, BTreeSet<String>, usize) {
    let mut wrong = Vec::new();
    let mut codes = BTreeSet::new();
    let files = files(folder);
    for (stem, text) in &files {
        let (source, mut expected) = read(stem, text);
        codes.extend(expected.iter().map(|(code, ..)| code.clone()));
        let found = findings(vec![source]);
        let mut places: Vec<Expected> =
            found.iter().map(|f| (f.code.to_owned(), f.line, f.column)).collect();
        places.sort();
        expected.sort();
        if places != expected {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            wrong.push(format!("{stem}: expected {expected:?}, found {found:#?}"));
        }
    }
    (wrong, codes, files.len())
}

#[test]
fn every_fault_of_the_corpus_is_found_where_it_is() {
    let (wrong, codes, count) = compare("wrong");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 60, "{count} files");
    let all: BTreeSet<String> = code::ALL.iter().map(|code| (*code).to_owned()).collect();
    assert_eq!(codes, all, "codes that the corpus lacks");
}

#[test]
fn what_only_looks_wrong_is_not_reported() {
    let (wrong, codes, count) = compare("right");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(codes.is_empty() && count >= 20, "{count} files");
}

#[test]
fn the_shop_itself_is_sound() {
    assert_eq!(findings(Vec::new()), []);
}
