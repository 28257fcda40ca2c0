//! A model: one file, read. Prose, a `--!` header and one `select`; the stem is its name.

use std::borrow::Cow;

use datafusion::sql::parser::Statement;

use super::checks::compared_with;
use super::finding::{Finding, Place, code};
use super::header::{self, Header, Kind, VALID_FROM};
use super::references::{self, Reference, Target};
use crate::table::{Layer, TableName};

/// A model's file, as it is read: bytes that are not UTF-8 become `U+FFFD`, which is a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSource {
    /// As shown to people: `sql/marts/margin/fct_orders.sql`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// A model.
#[derive(Debug, Clone)]
pub struct Model {
    /// The file's stem, which is the table's name.
    pub name: String,
    /// The layer it belongs to, by its folder, else by its name.
    pub layer: Layer,
    /// The file.
    pub path: String,
    /// The file's content.
    pub text: String,
    /// The prose above the header.
    pub description: String,
    /// The header.
    pub header: Header,
    pub(crate) statement: Statement,
    pub(crate) references: Vec<Reference>,
}

impl ModelSource {
    /// A file of these bytes; a byte-order mark says nothing about a model and is left out.
    pub fn new(path: impl Into<String>, bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        Self { path: path.into(), text: String::from_utf8_lossy(bytes).into_owned() }
    }
}

impl Model {
    /// Where its table lies, if it has one.
    pub fn table_name(&self) -> TableName {
        TableName::model(self.layer, &self.name)
    }

    /// The models it reads, by name.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        self.references.iter().filter_map(|reference| match &reference.target {
            Target::Model(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The models that must stand before it: those it reads, and those its checks compare with.
    pub fn depends_on(&self) -> impl Iterator<Item = &str> {
        let compared = compared_with(self).into_iter().filter(|name| *name != self.name);
        self.reads().chain(compared)
    }

    /// The raw tables it reads, as `raw.<source>.<stream>`.
    pub fn reads_raw(&self) -> impl Iterator<Item = &str> {
        self.references.iter().filter_map(|reference| match &reference.target {
            Target::Raw(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The model as its table is: of an `scd2` a row is named by its key and its beginning.
    pub(crate) fn as_stored(&self) -> Cow<'_, Self> {
        if self.header.kind != Kind::Scd2 {
            return Cow::Borrowed(self);
        }
        let mut stored = self.clone();
        stored.header.key.push(VALID_FROM.to_owned());
        Cow::Owned(stored)
    }

    pub(crate) fn place_of(&self, target: &Target) -> Place {
        let found = self.references.iter().find(|reference| reference.target == *target);
        found.map_or(Place::START, |reference| reference.place)
    }

    pub(super) fn parse(source: &ModelSource) -> Result<Self, Vec<Finding>> {
        let path = &source.path;
        if let Some(at) = source.text.find(char::REPLACEMENT_CHARACTER) {
            let hint = Some("save the file as UTF-8".to_owned());
            let place = Place::of(&source.text, at);
            return Err(vec![place.finding(code::SYNTAX, path, "a byte that is not UTF-8", hint)]);
        }
        let (description, header) = header::parse(path, &source.text)?;
        let name = name_of(path).to_owned();
        let mut findings = Vec::new();
        let layer = layer_of(path, &name, &mut findings);
        contradictions(path, &source.text, &header, layer, &mut findings);
        match references::parse_statement(&source.text) {
            Ok(statement) if references::is_query(&statement) => {
                if !findings.is_empty() {
                    return Err(findings);
                }
                let references = references::references(&statement);
                Ok(Self {
                    name,
                    layer,
                    path: path.clone(),
                    text: source.text.clone(),
                    description,
                    header,
                    statement,
                    references,
                })
            }
            Ok(_) => {
                let message = "a model is one `select` and nothing else";
                let place = references::place_of_statement(&source.text, 0);
                findings.push(place.finding(code::SYNTAX, path, message, None));
                Err(findings)
            }
            Err((place, message, hint)) => {
                findings.push(place.finding(code::SYNTAX, path, message, hint));
                Err(findings)
            }
        }
    }
}

/// The name of the model in a file of that path: its stem.
pub(super) fn name_of(path: &str) -> &str {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    file.strip_suffix(".sql").unwrap_or(file)
}

fn layer_of(path: &str, name: &str, findings: &mut Vec<Finding>) -> Layer {
    let by_name = match name.split_once('_').map(|(prefix, _)| prefix) {
        Some("stg") => Some(Layer::Staging),
        Some("int") => Some(Layer::Intermediate),
        Some("fct" | "dim" | "agg" | "seg") => Some(Layer::Marts),
        _ => None,
    };
    let folders = [Layer::Staging, Layer::Intermediate, Layer::Marts, Layer::Exports];
    let by_folder = path
        .split(['/', '\\'])
        .rev()
        .skip(1)
        .find_map(|part| folders.into_iter().find(|layer| layer.folder() == part));
    let valid = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !valid || name.is_empty() {
        let message = format!("`{name}` is no name for a model");
        let hint = Some("lower-case letters, digits and `_`".to_owned());
        findings.push(Place::START.finding(code::NAME, path, message, hint));
    }
    match (by_folder, by_name) {
        (Some(folder), Some(named)) if folder != named => {
            let (named, lies) = (named.folder(), folder.folder());
            let message = format!("`{name}` is named for `{named}`, and its file lies in `{lies}`");
            let hint = Some(format!("move it to `{named}` or rename it"));
            findings.push(Place::START.finding(code::NAME, path, message, hint));
            folder
        }
        (Some(layer), _) | (None, Some(layer)) => layer,
        (None, None) => Layer::Marts,
    }
}

fn contradictions(
    path: &str,
    text: &str,
    header: &Header,
    layer: Layer,
    findings: &mut Vec<Finding>,
) {
    let mut add = |key: &str, value: Option<&str>, message: &str, hint: &str| {
        let place = match value {
            Some(value) => header::place_of_value_in(text, key, value),
            None => header::place_of_key(text, key),
        };
        let hint = Some(hint.to_owned());
        findings.push(place.finding(code::CONTRADICTION, path, message, hint));
    };
    let kind = header.kind.as_str();
    match header.kind {
        Kind::Append | Kind::Scd2 if header.key.is_empty() => {
            let message = format!("a model of kind `{kind}` has no key");
            add("kind", Some(kind), &message, "add `key = [..]`: what names a row");
        }
        Kind::Merge if header.changed_by.is_empty() => add(
            "kind",
            Some(kind),
            "a merge model does not say by what its rows are told apart",
            "add `changed_by = [..]`, such as the order's id; or make it `full`",
        ),
        Kind::Full | Kind::View | Kind::Scd2 if !header.changed_by.is_empty() => {
            let message = format!("a model of kind `{kind}` is never built by keys");
            add("changed_by", None, &message, "make it `merge`, or take `changed_by` out");
        }
        _ => {}
    }
    if header.kind != Kind::Merge && header.dated_by.is_some() {
        add("dated_by", None, "only a `merge` model dates keys", "take `dated_by` out");
    }
    if header.kind != Kind::Scd2 && header.updated_at.is_some() {
        add("updated_at", None, "only an `scd2` model has `updated_at`", "take it out");
    }
    let stored = !header.partition_by.is_empty() || !header.sort_by.is_empty();
    if header.kind == Kind::View && stored {
        add("kind", Some("view"), "a view stores nothing", "take `partition_by` and `sort_by` out");
    }
    match (&header.destination, layer == Layer::Exports) {
        (Some(destination), false) => add(
            "destination",
            Some(destination),
            "only an export has a destination",
            "move the model to `exports/`, or take the destination out",
        ),
        (None, true) => {
            add("destination", None, "an export has no destination", "add `destination = \"..\"`");
        }
        _ => {}
    }
    if layer == Layer::Exports && header.kind == Kind::View {
        let hint = "make it `full`: what is sent was checked and stored";
        add("kind", Some("view"), "an export is a view", hint);
    }
}
