//! Every model plans against the declared raw schemas, and every model test holds.
//!
//! No data and no store are needed: the raw schemas come from the connectors' declarations, the
//! models from `sql/`, the cases from `tests/models/`.

use std::{collections::BTreeMap, path::Path};

use arrow::datatypes::SchemaRef;
use warehouse::{ModelSource, Project, model_test};

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
    let streams = connectors::registry::source_names().iter().flat_map(|source| {
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

#[tokio::test]
async fn every_model_test_holds() {
    let project = project();
    let schemas = raw_schemas();
    let tests = files(&root().join("tests/models"), "md");
    assert!(tests.len() >= 12, "found {} test files only", tests.len());
    let mut faults = Vec::new();
    for path in tests {
        let text = fs_err::read_to_string(&path).unwrap();
        match model_test::run(&shown(&path), &text, &project, &schemas).await {
            Ok(report) if report.passed() => {}
            Ok(report) => faults.push(format!("{report:#?}")),
            Err(error) => faults.push(format!("{}: {error}", shown(&path))),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
