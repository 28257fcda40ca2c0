//! A project: all models, read from files, in the order in which they are built.
//!
//! The house's own `sql/` comes first and the user's files after it; a later file replaces an
//! earlier one with the same stem, so a project changes one model by writing one file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::checks::compared_with;
use super::definition::{Model, ModelSource, name_of};
use super::finding::Finding;
use super::graph;
use super::header::Kind;
use super::planning::by_threads;
use crate::landing::{EXTRACTED_AT, RUN_ID};
use crate::table::stored_schema;
use crate::{Error, Result};

/// All models, in order.
#[derive(Debug, Clone, Default)]
pub struct Project {
    models: BTreeMap<String, Model>,
    order: Vec<String>,
    readers: BTreeMap<String, Vec<String>>,
    raw: BTreeMap<String, SchemaRef>,
    /// The files that are no models, by the names they would have: path by name.
    broken: BTreeMap<String, String>,
    /// What `changed` selects, if somebody looked.
    changed: Option<BTreeSet<String>>,
}

impl Project {
    /// Reads the files. Of several with one stem the last counts.
    ///
    /// Fails with [`Error::Findings`] (E001 to E006), all of them at once.
    pub fn load(sources: Vec<ModelSource>) -> Result<Self> {
        match Self::load_partly(sources) {
            (project, findings) if findings.is_empty() => Ok(project),
            (_, findings) => Err(Error::Findings(findings)),
        }
    }

    /// Reads the files: those that are models, and what is wrong with the others (E001 to E006).
    /// Such a project can be selected from and checked, but not built.
    pub fn load_partly(sources: Vec<ModelSource>) -> (Self, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut newest: BTreeMap<String, ModelSource> = BTreeMap::new();
        for source in sources {
            let file = source.path.rsplit(['/', '\\']).next().unwrap_or(&source.path);
            newest.insert(file.to_owned(), source);
        }
        let mut models = BTreeMap::new();
        let mut broken = BTreeMap::new();
        let sources: Vec<ModelSource> = newest.into_values().collect();
        for (source, parsed) in sources.iter().zip(parse_all(&sources)) {
            match parsed {
                Ok(model) => {
                    models.insert(model.name.clone(), model);
                }
                Err(found) => {
                    findings.extend(found);
                    broken.insert(name_of(&source.path).to_owned(), source.path.clone());
                }
            }
        }
        let readers = graph::readers(&models);
        let order = loop {
            match graph::order(&models) {
                Ok(order) => break order,
                Err(circle) => {
                    findings.push(circle.finding);
                    for name in circle.models {
                        if let Some(model) = models.remove(&name) {
                            broken.insert(name, model.path);
                        }
                    }
                }
            }
        };
        let raw = BTreeMap::new();
        (Self { models, order, readers, raw, broken, changed: None }, findings)
    }

    /// The files that are no models: the names they would have, and their paths.
    pub fn broken(&self) -> impl Iterator<Item = (&str, &str)> {
        self.broken.iter().map(|(name, path)| (name.as_str(), path.as_str()))
    }

    pub(crate) fn is_broken(&self, name: &str) -> bool {
        self.broken.contains_key(name)
    }

    /// The names of a model, of all that it is computed from or checked against, and of all that
    /// those are; files that are no models are among them.
    pub fn behind(&self, name: &str) -> BTreeSet<String> {
        let mut behind = BTreeSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            if behind.insert(name.to_owned()) {
                open.extend(self.models.get(name).into_iter().flat_map(Model::depends_on));
            }
        }
        behind
    }

    /// Declares the raw tables (`raw.<source>.<stream>`), so that queries can read views over
    /// tables that nothing was landed in yet.
    #[must_use]
    pub fn with_raw_schemas(mut self, raw_schemas: &BTreeMap<String, SchemaRef>) -> Self {
        self.raw.clone_from(raw_schemas);
        self
    }

    /// Says what changed, for `changed` in a selection.
    #[must_use]
    pub(crate) fn with_changed(mut self, changed: BTreeSet<String>) -> Self {
        self.changed = Some(changed);
        self
    }

    pub(crate) fn knows_changed(&self) -> bool {
        self.changed.is_some()
    }

    pub(crate) fn changed(&self) -> Option<&BTreeSet<String>> {
        self.changed.as_ref()
    }

    pub(crate) fn raw_schemas(&self) -> &BTreeMap<String, SchemaRef> {
        &self.raw
    }

    /// All models, each after those it reads.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.order.iter().filter_map(|name| self.models.get(name))
    }

    /// The model of that name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(name)
    }

    /// The exports: model and destination.
    pub fn exports(&self) -> impl Iterator<Item = (&str, &str)> {
        self.models().filter_map(|model| {
            let destination = model.header.destination.as_deref()?;
            Some((model.name.as_str(), destination))
        })
    }

    /// A project of these models and all that they read.
    pub(crate) fn only(&self, models: &BTreeSet<&str>) -> Self {
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = models.iter().copied().collect();
        while let Some(name) = open.pop() {
            if let Some(model) = self.models.get(name)
                && wanted.insert(&model.name)
            {
                open.extend(model.reads());
            }
        }
        let chosen = |name: &&String| wanted.contains(name.as_str());
        Self {
            models: wanted
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), self.models.get(*name)?.clone())))
                .collect(),
            order: self.order.iter().filter(chosen).cloned().collect(),
            readers: self.readers.clone(),
            raw: self.raw.clone(),
            broken: self.broken.clone(),
            changed: self.changed.clone(),
        }
    }

    /// All models by name.
    pub(crate) fn by_name(&self) -> &BTreeMap<String, Model> {
        &self.models
    }

    /// The models that read a model.
    pub(crate) fn readers(&self, name: &str) -> &[String] {
        self.readers.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The models' and raw tables that a model is computed from, views looked through.
    pub(crate) fn stored_reads(&self, model: &Model) -> BTreeSet<String> {
        let mut reads: BTreeSet<String> = model.reads_raw().map(str::to_owned).collect();
        for read in model.reads().filter_map(|read| self.models.get(read)) {
            if read.header.kind == Kind::View {
                reads.extend(self.stored_reads(read));
            } else {
                reads.insert(read.name.clone());
            }
        }
        reads
    }

    /// The stored models that must stand before a model is built: those that it is computed from,
    /// and those that it is checked against.
    pub(crate) fn stored_before(&self, model: &Model) -> BTreeSet<String> {
        let mut before = self.stored_inputs(model);
        for name in compared_with(model).into_iter().filter(|name| *name != model.name) {
            before.extend(self.stored_behind(name));
        }
        before.retain(|name| self.models.contains_key(name));
        before
    }

    /// The stored tables that the rows of a model are in: its own, or those that a view reads.
    pub(crate) fn stored_behind(&self, name: &str) -> BTreeSet<String> {
        match self.models.get(name) {
            Some(model) if model.header.kind == Kind::View => self.stored_reads(model),
            Some(model) => BTreeSet::from([model.name.clone()]),
            None => BTreeSet::new(),
        }
    }

    /// The stored models that a model is computed from, views looked through.
    pub(crate) fn stored_inputs(&self, model: &Model) -> BTreeSet<String> {
        self.stored_reads(model).into_iter().filter(|name| self.models.contains_key(name)).collect()
    }
}

/// Reads all files, in their order.
fn parse_all(sources: &[ModelSource]) -> Vec<Result<Model, Vec<Finding>>> {
    let next = AtomicUsize::new(0);
    let parsed = Mutex::new(Vec::with_capacity(sources.len()));
    by_threads(sources.len(), || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(source) = sources.get(number) else { break };
            let model = Model::parse(source);
            parsed.lock().unwrap_or_else(PoisonError::into_inner).push((number, model));
        }
    });
    let mut parsed = parsed.into_inner().unwrap_or_else(PoisonError::into_inner);
    parsed.sort_by_key(|(number, _)| *number);
    parsed.into_iter().map(|(_, model)| model).collect()
}

/// The stored form of declared raw schemas, with the columns that landing adds.
pub(crate) fn landed_schemas(
    raw_schemas: &BTreeMap<String, SchemaRef>,
) -> Result<BTreeMap<String, SchemaRef>> {
    let landed = raw_schemas.iter().map(|(name, schema)| {
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        let at = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (column, data_type) in [(EXTRACTED_AT, at), (RUN_ID, DataType::Utf8)] {
            if schema.index_of(column).is_err() {
                fields.push(Arc::new(Field::new(column, data_type, true)));
            }
        }
        Ok((name.clone(), stored_schema(name, &Schema::new(fields))?))
    });
    landed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, header: &str, sql: &str) -> ModelSource {
        let text = format!("-- One row per thing.\n--! {header}\n{sql}\n");
        ModelSource { path: path.to_owned(), text }
    }

    fn names(models: &[&Model]) -> Vec<String> {
        models.iter().map(|model| model.name.clone()).collect()
    }

    fn chain() -> Project {
        Project::load(vec![
            source("marts/fct_c.sql", "kind = 'full'", "select * from int_b"),
            source("staging/stg_a.sql", "kind = 'view'", "select id from raw.x.y"),
            source("intermediate/int_b.sql", "kind = 'full'", "select * from stg_a"),
            source("marts/dim_d.sql", "kind = 'full'", "select * from stg_a"),
        ])
        .unwrap()
    }

    #[test]
    fn models_come_after_what_they_read_and_are_selected_up_and_down() {
        let project = chain();
        let all: Vec<_> = project.models().collect();
        assert_eq!(names(&all), ["stg_a", "dim_d", "int_b", "fct_c"]);
        let select = |pattern: &str| names(&project.select(&[pattern.to_owned()]).unwrap());
        assert_eq!(select("int_b"), ["int_b"]);
        assert_eq!(select("+int_b"), ["stg_a", "int_b"]);
        assert_eq!(select("int_b+"), ["int_b", "fct_c"]);
        assert_eq!(select("+int_b+"), ["stg_a", "int_b", "fct_c"]);
        assert_eq!(select("stg_a+"), ["stg_a", "dim_d", "int_b", "fct_c"]);
        let error = project.select(&["+fct_d".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "no model is called `fct_d`");
        assert!(error.hint().is_some());
    }

    #[test]
    fn a_circle_is_named_with_its_place() {
        let error = Project::load(vec![
            source("int_a.sql", "kind = 'full'", "select *\nfrom int_c"),
            source("int_b.sql", "kind = 'full'", "select * from int_a"),
            source("int_c.sql", "kind = 'full'", "select * from int_b"),
        ])
        .unwrap_err();
        let Error::Findings(findings) = error else { panic!("{error}") };
        assert_eq!(
            findings[0].to_string(),
            "int_a.sql:4:6: models read each other in a circle: `int_a` -> `int_c` -> `int_b` -> `int_a` [E006]"
        );
    }

    #[test]
    fn a_later_file_of_the_same_stem_replaces_the_earlier() {
        let project = Project::load(vec![
            source("sql/marts/fct_a.sql", "kind = 'full'", "select 1 as a"),
            source("mine/fct_a.sql", "kind = 'view'", "select 2 as a"),
        ])
        .unwrap();
        assert_eq!(project.models().count(), 1);
        assert_eq!(project.model("fct_a").unwrap().path, "mine/fct_a.sql");
    }

    #[test]
    fn files_that_are_no_models_leave_the_others() {
        let (project, findings) = Project::load_partly(vec![
            source("staging/stg_a.sql", "kind = 'view'", "select id from"),
            source("intermediate/int_b.sql", "kind = 'full'", "select * from stg_a, nowhere"),
            source("intermediate/int_c.sql", "kind = 'full'", "select * from int_d"),
            source("intermediate/int_d.sql", "kind = 'full'", "select * from int_c"),
            source("intermediate/int_e.sql", "kind = 'full'", "select * from int_f"),
            source("intermediate/int_f.sql", "kind = 'full'", "select * from int_e"),
            source("marts/dim_g.sql", "kind = 'full'\n--! key = ['a']", "select uper('x') as a"),
        ]);
        let codes: Vec<_> = findings.iter().map(|f| f.code).collect();
        assert_eq!(codes, ["E004", "E006", "E006"]);
        assert_eq!(names(&project.models().collect::<Vec<_>>()), ["dim_g", "int_b"]);
        let broken: Vec<_> = project.broken().map(|(name, _)| name).collect();
        assert_eq!(broken, ["int_c", "int_d", "int_e", "int_f", "stg_a"]);
        // The reader of a broken file is not told that there is no such model.
        let found: Vec<_> =
            project.check(&BTreeMap::new()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("marts/dim_g.sql:4:8: "), "{found:?}");
        assert!(found[1].contains("no model is called `nowhere`"), "{found:?}");
        let meant = |word: &str| project.names(&[word.to_owned()]).unwrap();
        assert_eq!(meant("stg_a+"), BTreeSet::from(["int_b", "stg_a"]));
        assert_eq!(meant("+int_b"), BTreeSet::from(["int_b", "stg_a"]));
        assert_eq!(meant("path:staging"), BTreeSet::from(["stg_a"]));
        assert_eq!(meant("stg_*"), BTreeSet::from(["stg_a"]));
        assert!(project.behind("int_b").contains("stg_a"));
        let error = project.select(&["nonsuch".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "no model is called `nonsuch`");
    }

    #[test]
    fn every_file_that_is_wrong_is_reported_at_once() {
        let error = Project::load(vec![
            source("marts/fct_a.sql", "kind = 'merge'", "select 1 as a"),
            source("marts/stg_b.sql", "kind = 'full'", "select 1 as a"),
            source("exports/klaviyo.sql", "kind = 'full'", "select 1 as a"),
            source("marts/fct_c.sql", "kind = 'full'", "drop table x"),
            source("marts/fct_d.sql", "kind = 'full'\n--! destination = 'x'", "select 1 as a"),
            source("marts/fct_e.sql", "kind = 'ful'", "select 1 as a"),
        ])
        .unwrap_err();
        let Error::Findings(findings) = error else { panic!("{error}") };
        let codes: Vec<_> = findings.iter().map(|f| f.code).collect();
        assert_eq!(codes, ["E003", "E004", "E003", "E002", "E003", "E005"]);
    }
}
