//! Every model plans against the declared raw schemas, every model test holds, and no model is
//! without one.
//!
//! No data and no store are needed: the raw schemas come from the connectors' declarations, the
//! models from `sql/`, the cases from `tests/models/`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use arrow::datatypes::SchemaRef;
use warehouse::{
    ModelSource, Project,
    model_test::{Bench, TestFile, TestReport},
};

use crate::layout::{files, root};

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn project() -> Project {
    let sources = files(&root().join("sql"), "sql")
        .into_iter()
        .map(|path| ModelSource {
            path: shown(&path),
            text: fs_err::read_to_string(&path).unwrap(),
        })
        .collect();
    Project::load(sources).unwrap()
}

/// The declared columns of every raw table.
fn raw_schemas() -> BTreeMap<String, SchemaRef> {
    let streams = connectors::registry::source_names().into_iter().flat_map(|source| {
        let streams = connectors::registry::streams_of(source).unwrap();
        streams.iter().map(move |stream| {
            (format!("raw.{source}.{}", stream.name), connectors::stream_schema(stream))
        })
    });
    streams.collect()
}

#[test]
fn every_model_plans() {
    let findings = project().check(&raw_schemas()).unwrap();
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("{finding} {}", finding.hint.as_deref().unwrap_or_default()))
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// How the files of `tests/models/` ended.
async fn reports(project: &Project) -> Vec<TestReport> {
    let paths = files(&root().join("tests/models"), "md");
    let tests: Vec<TestFile> = paths
        .into_iter()
        .map(|path| {
            TestFile::parse(&shown(&path), &fs_err::read_to_string(&path).unwrap()).unwrap()
        })
        .collect();
    let mut bench = Bench::new(project, &raw_schemas(), &tests).unwrap();
    let mut reports = Vec::new();
    for test in &tests {
        reports.push(bench.run(test).await.unwrap());
    }
    reports
}

#[tokio::test]
async fn every_model_test_holds_and_no_model_is_without() {
    let project = project();
    let reports = reports(&project).await;
    let mut faults = Vec::new();
    let mut exercised = BTreeSet::new();
    for report in &reports {
        for case in &report.cases {
            exercised.extend(case.exercised.iter().map(String::as_str));
            if let Some(failure) = &case.failure {
                faults.push(format!("{}:{}: {}\n{failure}", report.path, case.line, case.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    let models = project.models().map(|model| model.name.as_str());
    let untested: Vec<&str> = models.filter(|name| !exercised.contains(name)).collect();
    assert!(untested.is_empty(), "no test has rows of: {}", untested.join(", "));
}
