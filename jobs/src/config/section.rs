//! A section of the config with the place of every field, so that each mistake can be pointed at.
//!
//! Values become JSON, which is what connectors take; a value of the form `{ env = ".." }` or
//! `{ file = ".." }` stays a reference until it is needed.

use std::{collections::BTreeMap, ops::Range, path::PathBuf};

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::{excerpt, failure::Failure, secret::Reference};

/// The text of a config file and what it is called in messages.
#[derive(Clone)]
pub(super) struct Source {
    /// As people know it: `inkhouse.toml`.
    pub(super) path: String,
    /// All of it.
    pub(super) text: String,
}

/// Shows no text: a wrong config may hold a secret.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Source {
    /// A failure at a place of this file.
    pub(super) fn failure(&self, span: &Range<usize>, message: impl AsRef<str>) -> Failure {
        excerpt::failure(&self.path, &self.text, span, message)
    }
}

/// A value of a field.
#[derive(Debug, Clone)]
pub(super) enum Setting {
    /// Written in the file.
    Plain(Value),
    /// Named in the file.
    Secret(Reference),
}

/// A field with its places.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Where its name stands.
    pub(super) name_span: Range<usize>,
    /// Where its value stands.
    pub(super) value_span: Range<usize>,
    /// What it says.
    pub(super) setting: Setting,
}

/// A section: `[sources.shopify]` and its fields.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// As in the file: `sources.shopify`.
    pub(super) name: String,
    /// Where its last name stands.
    pub(super) span: Range<usize>,
    /// Its fields by name.
    pub(super) fields: BTreeMap<String, Field>,
}

impl Section {
    /// Reads a table; refuses a secret that is written out.
    ///
    /// # Errors
    /// A config failure at the field.
    pub(super) fn read(
        source: &Source,
        name: &str,
        span: Range<usize>,
        table: &DeTable<'_>,
    ) -> Result<Self, Failure> {
        let mut fields = BTreeMap::new();
        for (key, value) in table {
            let field = key.get_ref().to_string();
            let setting = setting(source, &field, &value.span(), value.get_ref())?;
            if excerpt::is_secret_name(&field) && matches!(setting, Setting::Plain(_)) {
                return Err(source
                    .failure(&key.span(), format!("`{field}` is a secret and must not be written here"))
                    .with_hint(format!(
                        "name where it is: `{field} = {{ env = \"{}\" }}` or `{field} = {{ file = \"secrets/{}\" }}`; if this file was ever shared, the secret is burnt: make a new one",
                        format!("{}_{field}", name.rsplit('.').next().unwrap_or(name)).to_uppercase(),
                        name.rsplit('.').next().unwrap_or(name),
                    )));
            }
            let spans = (key.span(), value.span());
            fields.insert(field, Field { name_span: spans.0, value_span: spans.1, setting });
        }
        Ok(Self { name: name.to_owned(), span, fields })
    }

    /// Refuses fields that are not among `known`.
    ///
    /// # Errors
    /// A config failure at the first one.
    pub(super) fn only(&self, source: &Source, known: &[&str]) -> Result<(), Failure> {
        let unknown = self.fields.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        match unknown.min_by_key(|(_, field)| field.name_span.start) {
            Some((name, field)) => Err(source
                .failure(&field.name_span, format!("unknown field `{name}`"))
                .with_hint(excerpt::known_hint(name, known))),
            None => Ok(()),
        }
    }

    /// A field that is text, if it is there.
    ///
    /// # Errors
    /// A config failure when it is something else.
    pub(super) fn text(
        &self,
        source: &Source,
        name: &str,
    ) -> Result<Option<(&str, &Field)>, Failure> {
        let Some(field) = self.fields.get(name) else { return Ok(None) };
        match &field.setting {
            Setting::Plain(Value::String(text)) => Ok(Some((text, field))),
            _ => Err(source.failure(&field.value_span, format!("`{name}` must be text"))),
        }
    }
}

fn setting(
    source: &Source,
    name: &str,
    span: &Range<usize>,
    value: &DeValue<'_>,
) -> Result<Setting, Failure> {
    if let DeValue::Table(table) = value {
        return reference(source, name, span, table).map(Setting::Secret);
    }
    json(value)
        .map(Setting::Plain)
        .ok_or_else(|| source.failure(span, format!("`{name}` is a number that cannot be used")))
}

fn reference(
    source: &Source,
    name: &str,
    span: &Range<usize>,
    table: &DeTable<'_>,
) -> Result<Reference, Failure> {
    let mut entries = table.iter();
    if let (Some((key, value)), None) = (entries.next(), entries.next())
        && let Some(text) = value.get_ref().as_str()
    {
        match key.get_ref().as_ref() {
            "env" => return Ok(Reference::Env(text.to_owned())),
            "file" => return Ok(Reference::File(PathBuf::from(text))),
            _ => {}
        }
    }
    Err(source
        .failure(span, format!("`{name}` must be a value, or name where its secret is"))
        .with_hint("write `{ env = \"NAME\" }` or `{ file = \"secrets/name\" }`"))
}

fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => Value::from(
            i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()?,
        ),
        DeValue::Float(number) => serde_json::from_str(&number.as_str().replace('_', "")).ok()?,
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(at) => Value::String(at.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}
