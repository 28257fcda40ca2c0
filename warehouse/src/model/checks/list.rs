//! The checks of a model: what `key` and `not_null` promise and what `checks` lists, one by one.

use std::collections::BTreeSet;

use super::rule::{Rule, Test};
use crate::model::definition::Model;
use crate::model::header::{Kind, Severity};

/// One check of a model. [`Test::NotNull`] has one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) rule: Rule,
    pub(super) name: String,
    pub(super) severity: Severity,
}

impl Check {
    fn new(rule: Rule, model: &Model) -> Self {
        let severity = rule.severity.unwrap_or(model.header.severity);
        Self { name: rule.to_string(), rule, severity }
    }

    /// As in `ops.check_results`.
    pub(super) fn kind(&self) -> &'static str {
        match self.rule.test {
            Test::Condition(_) => "condition",
            Test::NotNull(_) => "not_null",
            Test::Unique(_) => "unique",
            Test::Accepted { .. } => "accepted",
            Test::References { .. } => "references",
            Test::Rows { .. } => "rows",
            Test::Fresh { .. } => "fresh",
            Test::Steady { .. } => "steady",
        }
    }

    /// Whether it is about a table of a night, and not about rows.
    pub(super) fn of_table(&self) -> bool {
        matches!(self.rule.test, Test::Rows { .. } | Test::Fresh { .. } | Test::Steady { .. })
    }
}

/// All checks of `model`, each name once: of two with one name the stricter counts.
pub(super) fn checks_of(model: &Model) -> Vec<Check> {
    let header = &model.header;
    let plain = |test| Rule { test, filter: None, severity: None };
    let mut checks: Vec<Check> = Vec::new();
    let mut add = |check: Check| match checks.iter_mut().find(|other| other.name == check.name) {
        Some(other) if other.severity == Severity::Warn => other.severity = check.severity,
        Some(_) => {}
        None => checks.push(check),
    };
    if !header.key.is_empty() {
        let mut unique = Check::new(plain(Test::Unique(header.key.clone())), model);
        // An upsert by a key that is not one would put rows in place of the wrong ones.
        if header.kind == Kind::Merge {
            unique.severity = Severity::Block;
        }
        add(unique);
    }
    for column in header.key.iter().chain(&header.not_null) {
        add(Check::new(plain(Test::NotNull(vec![column.clone()])), model));
    }
    for rule in &header.checks {
        if let Test::NotNull(columns) = &rule.test {
            for column in columns {
                let test = Test::NotNull(vec![column.clone()]);
                add(Check::new(Rule { test, ..rule.clone() }, model));
            }
        } else {
            add(Check::new(rule.clone(), model));
        }
    }
    checks
}

/// The checks of `model` by name and severity, as `ops.check_results` calls them.
pub fn declared(model: &Model) -> Vec<(String, Severity)> {
    checks_of(model).into_iter().map(|check| (check.name, check.severity)).collect()
}

/// Whether the age of a model's rows is checked, which grows while they stand.
pub(crate) fn ages(model: &Model) -> bool {
    model.header.checks.iter().any(|rule| matches!(rule.test, Test::Fresh { .. }))
}

/// The models that the checks of `model` compare with.
pub(crate) fn compared_with(model: &Model) -> BTreeSet<&str> {
    let rules = model.header.checks.iter();
    rules
        .filter_map(|rule| match &rule.test {
            Test::References { model, .. } => Some(model.as_str()),
            _ => None,
        })
        .collect()
}
