//! What is wrong with a model's checks, said before anything runs.
//!
//! A check is planned against the columns that the model yields; a reference also against those of
//! the model it names, which is ordered before this one for that reason.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use futures::FutureExt as _;

use super::rule::{Accepted, Measure, Rule, Test};
use crate::model::check::{condition, words};
use crate::model::definition::Model;
use crate::model::finding::{Finding, code, did_you_mean};
use crate::model::graph;
use crate::model::header::{Kind, place_of_value};
use crate::model::project::Project;
use crate::model::references::Target;
use crate::model::scope::Scope;

/// Models that the checks compare with: that they exist, and lie in a layer that may be known here.
pub(crate) fn compared(project: &Project, model: &Model, findings: &mut Vec<Finding>) {
    for rule in &model.header.checks {
        let Test::References { model: name, targets, .. } = &rule.test else { continue };
        let written = format!("{name}.{}", targets.first().map_or("", String::as_str));
        let place = place_of_value(&model.text, &written);
        let mut add = |code, message, hint| {
            findings.push(place.finding(code, &model.path, message, hint));
        };
        if project.is_broken(name) {
            continue; // the cause is reported at its file
        }
        let Some(other) = project.model(name) else {
            let hint = did_you_mean(name, project.models().map(|model| model.name.as_str()));
            add(code::CHECK_REFERENCE, format!("no model is called `{name}`"), hint);
            continue;
        };
        let target = Target::Model(name.clone());
        if other.layer != model.layer
            && let Some(rule) = graph::forbidden(model.layer, &target, other.layer)
        {
            let message = format!("a check of `{}` must not read `{name}`", model.name);
            add(code::LAYER, message, Some(rule.to_owned()));
        }
    }
}

/// Whether the checks of `model` fit its columns and those of the models that `scope` knows.
pub(crate) fn fit_together(
    scope: &Scope,
    model: &Model,
    schema: &SchemaRef,
    findings: &mut Vec<Finding>,
) {
    let mut names = BTreeSet::new();
    for rule in &model.header.checks {
        let fitting = Fitting { scope, model, schema, rule };
        let mut add = |value: &str, code, message, hint| {
            let place = place_of_value(&model.text, value);
            findings.push(place.finding(code, &model.path, message, hint));
        };
        let name = rule.to_string();
        if !names.insert(name.clone()) {
            let hint = Some("take one of them out".to_owned());
            add(rule.word(), code::CONTRADICTION, format!("two checks are called `{name}`"), hint);
        }
        for (value, code, message, hint) in fitting.faults() {
            add(&value, code, message, hint);
        }
    }
}

/// The type in which values of both can be compared by their hashes.
pub(super) fn comparable(here: &DataType, there: &DataType) -> Option<DataType> {
    if here == there {
        return Some(here.clone());
    }
    (here.is_integer() && there.is_integer()).then_some(DataType::Int64)
}

/// A quoted value in the header, a code, a message, a hint.
type Fault = (String, &'static str, String, Option<String>);

struct Fitting<'a> {
    scope: &'a Scope,
    model: &'a Model,
    schema: &'a SchemaRef,
    rule: &'a Rule,
}

impl Rule {
    /// A quoted value of the entry, by which its place is found.
    fn word(&self) -> &str {
        match &self.test {
            Test::Condition(text) => text,
            Test::NotNull(columns) | Test::Unique(columns) | Test::References { columns, .. } => {
                columns.first().map_or("", String::as_str)
            }
            Test::Accepted { column, .. } | Test::Fresh { column, .. } => column,
            Test::Rows { .. } | Test::Steady { .. } => "",
        }
    }
}

impl Fitting<'_> {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        match &self.rule.test {
            Test::Condition(text) => faults.extend(self.condition(text)),
            Test::NotNull(columns) | Test::Unique(columns) => {
                faults.extend(columns.iter().filter_map(|column| self.unknown(column)));
            }
            Test::Accepted { column, values } => faults.extend(self.accepted(column, values)),
            Test::References { columns, model, targets } => {
                faults.extend(self.references(columns, model, targets));
            }
            Test::Rows { .. } => faults.extend(self.of_view("rows")),
            Test::Fresh { column, .. } => {
                let dated =
                    |kind: &DataType| matches!(kind, DataType::Timestamp(..) | DataType::Date32);
                faults.extend(self.of_view("fresh"));
                faults.extend(self.typed(column, "fresh", dated, "a timestamp or a date"));
            }
            Test::Steady { measure, .. } => {
                faults.extend(self.of_view("steady"));
                faults.extend(match measure {
                    Measure::Rows => None,
                    Measure::Nulls(column) => self.unknown(column),
                    Measure::Sum(column) => {
                        let exact = |kind: &DataType| kind.is_integer() || kind.is_decimal();
                        self.typed(column, "steady", exact, "a whole number or a decimal")
                    }
                });
            }
        }
        if let Some(filter) = &self.rule.filter {
            faults.extend(self.condition(filter));
        }
        faults
    }

    fn condition(&self, text: &str) -> Option<Fault> {
        let state = self.scope.session().state();
        let (message, hint) = condition(&state, text, self.schema).err()?;
        let message = format!("the check `{text}` does not hold together: {message}");
        Some((text.to_owned(), code::CHECK, message, hint))
    }

    fn unknown(&self, column: &str) -> Option<Fault> {
        if self.schema.index_of(column).is_ok() {
            return None;
        }
        let message = format!("a check names `{column}`, which is no column of the model");
        Some((column.to_owned(), code::HEADER_COLUMN, message, known(column, self.schema)))
    }

    fn typed(
        &self,
        column: &str,
        word: &str,
        fits: impl Fn(&DataType) -> bool,
        expected: &str,
    ) -> Option<Fault> {
        let Ok(field) = self.schema.field_with_name(column) else { return self.unknown(column) };
        let given = field.data_type();
        let message = format!("`{word}` needs {expected}, and `{column}` is {}", words(given));
        (!fits(given)).then(|| (column.to_owned(), code::CHECK, message, None))
    }

    fn accepted(&self, column: &str, values: &[Accepted]) -> Option<Fault> {
        let Ok(field) = self.schema.field_with_name(column) else { return self.unknown(column) };
        let given = field.data_type();
        let odd = values.iter().any(|value| match value {
            Accepted::Text(_) => !given.is_string(),
            Accepted::Integer(_) => !given.is_integer(),
            Accepted::Boolean(_) => *given != DataType::Boolean,
        });
        let message = format!("`{column}` is {}, which these values are not", words(given));
        odd.then(|| (column.to_owned(), code::CHECK, message, None))
    }

    fn references(&self, columns: &[String], model: &str, targets: &[String]) -> Vec<Fault> {
        let unknown: Vec<Fault> = columns.iter().filter_map(|c| self.unknown(c)).collect();
        // One that does not plan or does not exist is reported as such.
        let table = self.scope.session().table_provider(model).now_or_never();
        let theirs = match table {
            _ if model == self.model.name => Arc::clone(self.schema),
            Some(Ok(table)) => table.schema(),
            _ => return unknown,
        };
        let faults = columns.iter().zip(targets).filter_map(|(column, target)| {
            let written = format!("{model}.{target}");
            let Ok(there) = theirs.field_with_name(target) else {
                let message = format!("`{model}` has no column `{target}`");
                let hint = known(target, &theirs);
                return Some((written, code::CHECK_REFERENCE, message, hint));
            };
            let here = self.schema.field_with_name(column).ok()?;
            let (here, there) = (here.data_type(), there.data_type());
            if comparable(here, there).is_some() {
                return None;
            }
            let (here, there) = (words(here), words(there));
            let message = format!("`{column}` is {here}, and `{written}` is {there}");
            let hint = Some("cast one of them, so that equal values are equal".to_owned());
            Some((written, code::CHECK_REFERENCE, message, hint))
        });
        unknown.into_iter().chain(faults).collect()
    }

    /// A view has no builds, so there is no night that such a check could be about.
    fn of_view(&self, word: &str) -> Option<Fault> {
        if self.model.header.kind != Kind::View {
            return None;
        }
        let message = format!("a view is never built, so `{word}` would never be checked");
        let hint = Some("check it in a model that is stored".to_owned());
        Some(("view".to_owned(), code::CONTRADICTION, message, hint))
    }
}

fn known(column: &str, schema: &SchemaRef) -> Option<String> {
    did_you_mean(column, schema.fields().iter().map(|field| field.name().as_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::Error;
    use crate::model::{ModelSource, Project};

    fn source(path: &str, header: &str, sql: &str) -> ModelSource {
        let text = format!("-- One row per thing.\n--! {header}\n{sql}\n");
        ModelSource { path: path.to_owned(), text }
    }

    /// What is found when a fact has this entry of `checks`.
    fn found(entry: &str) -> Vec<String> {
        let project = Project::load(vec![
            source("dim_d.sql", "kind = 'full'\n--! key = ['d_id']", "select 'a' as d_id, 1 as n"),
            source("stg_s.sql", "kind = 'view'", "select 'a' as d_id"),
            source(
                "exports/x.sql",
                "kind = 'full'\n--! destination = 'x'",
                "select d_id from dim_d",
            ),
            source(
                "fct_x.sql",
                &format!(
                    "kind = 'full'\n--! checks = [\n--!     {entry},\n--! ]\n--! key = ['d_id']"
                ),
                "select 'a' as d_id, 1 as n, cast(1 as double) as size, \
                 timestamp '2026-11-01T06:00:00Z' as seen_at",
            ),
        ]);
        let findings = project.unwrap().check(&BTreeMap::new()).unwrap();
        let told = findings.iter().map(|f| match &f.hint {
            Some(hint) => format!("{f} ({hint})"),
            None => f.to_string(),
        });
        told.collect()
    }

    #[test]
    fn a_check_that_does_not_fit_is_found_where_it_stands() {
        let faulty = [
            (
                r#"{ unique = ["d_id", "code"] }"#,
                "fct_x.sql:4:30: a check names `code`, which is no column of the model [E030]",
            ),
            (
                r#"{ not_null = "d_idd" }"#,
                "fct_x.sql:4:23: a check names `d_idd`, which is no column of the model [E030] (did you mean `d_id`?)",
            ),
            (
                r#"{ accepted = "n", values = ["a"] }"#,
                "fct_x.sql:4:23: `n` is bigint, which these values are not [E031]",
            ),
            (
                r#"{ references = "dim_e.d_id" }"#,
                "fct_x.sql:4:25: no model is called `dim_e` [E034] (did you mean `dim_d`?)",
            ),
            (
                r#"{ references = "dim_d.e_id", column = "d_id" }"#,
                "fct_x.sql:4:25: `dim_d` has no column `e_id` [E034] (did you mean `d_id`?)",
            ),
            (
                r#"{ references = "dim_d.n", column = "d_id" }"#,
                "fct_x.sql:4:25: `d_id` is text, and `dim_d.n` is bigint [E034] (cast one of them, so that equal values are equal)",
            ),
            (
                r#"{ references = "x.d_id" }"#,
                "fct_x.sql:4:25: a check of `fct_x` must not read `x` [E007] (a mart reads staging and intermediate models, and marts)",
            ),
            (
                r#"{ fresh = "d_id", within = "2d" }"#,
                "fct_x.sql:4:20: `fresh` needs a timestamp or a date, and `d_id` is text [E031]",
            ),
            (
                r#"{ steady = "sum(size)" }"#,
                "fct_x.sql:2:1: `steady` needs a whole number or a decimal, and `size` is double [E031]",
            ),
            (
                r#"{ unique = "n", where = "n" }"#,
                "fct_x.sql:4:21: the check `n` does not hold together: it is bigint, not true or false [E031]",
            ),
            (
                r#""n > 0", "n > 0""#,
                "fct_x.sql:4:10: two checks are called `n > 0` [E003] (take one of them out)",
            ),
        ];
        for (entry, told) in faulty {
            assert_eq!(found(entry), [told], "{entry}");
        }
        let fitting = [
            r#"{ references = "dim_d.d_id" }"#,
            r#"{ references = "stg_s.d_id" }"#,
            r#"{ fresh = "seen_at", within = "2d" }"#,
            r#"{ steady = "sum(n)", where = "size > 0" }"#,
            r#"{ steady = "nulls(size)" }"#,
            r#"{ accepted = "n", values = [1, 2] }"#,
        ];
        for entry in fitting {
            assert_eq!(found(entry), [""; 0], "{entry}");
        }
    }

    #[test]
    fn a_circle_through_a_check_is_one() {
        let header = "kind = 'full'\n--! checks = [{ references = 'fct_b.id' }]";
        let models = vec![
            source("fct_a.sql", header, "select 1 as id"),
            source("fct_b.sql", "kind = 'full'", "select id from fct_a"),
        ];
        let Error::Findings(findings) = Project::load(models).unwrap_err() else { panic!() };
        assert_eq!(findings[0].code, "E006");
    }

    #[test]
    fn a_view_is_never_fresh() {
        let header = "kind = 'view'\n--! checks = [{ rows = { at_least = 1 } }]\n--! key = ['id']";
        let project = Project::load(vec![source("fct_a.sql", header, "select 1 as id")]).unwrap();
        let findings = project.check(&BTreeMap::new()).unwrap();
        let told = "fct_a.sql:2:13: a view is never built, so `rows` would never be checked [E003]";
        assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), [told]);
    }
}
