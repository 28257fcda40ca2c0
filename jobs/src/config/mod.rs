//! `inkhouse.toml`: where the warehouse is, what is read, what is written to.
//!
//! This is the only reader of the environment. Nothing is asked of the outside when a config is
//! read; secrets are looked up when a source, a destination or the storage needs them, so an
//! analyst without tokens can still query. Every mistake is shown with its line and a caret.

mod section;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono_tz::Tz;
use connectors::registry;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};
use url::Url;
use warehouse::Warehouse;

use crate::{
    excerpt,
    failure::Failure,
    quantity,
    secret::{Missing, Reference},
};
use section::{Section, Setting, Source};

/// The file's name in a project folder.
pub const FILE: &str = "inkhouse.toml";
const DEFAULT_URL: &str = "file://./warehouse";
const DEFAULT_MEMORY: usize = 1 << 30;
const DEFAULT_STREAMS: usize = 4;
const SECTIONS: [&str; 5] = ["warehouse", "shop", "run", "sources", "destinations"];

/// A read config.
#[derive(Debug, Clone)]
pub struct Config {
    source: Source,
    folder: PathBuf,
    url: Url,
    storage: Option<Section>,
    /// Bytes of memory for the whole process.
    pub memory_bytes: usize,
    /// Streams that are read at the same time.
    pub parallel_streams: usize,
    /// The shop's name, for people.
    pub shop_name: Option<String>,
    /// The zone of schedules that name none.
    pub time_zone: Tz,
    sources: BTreeMap<String, Section>,
    destinations: BTreeMap<String, Section>,
}

/// Reads the environment; nothing else does.
fn environment(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    std::env::var(name).ok()
}

/// A folder for things that may vanish; the system's own.
pub fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}

impl Config {
    /// Reads the config of the project in `folder`.
    ///
    /// # Errors
    /// A config failure with file, line and column.
    pub fn load(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let text = fs_err::read_to_string(&path).map_err(|error| {
            let failure = if error.kind() == std::io::ErrorKind::NotFound {
                Failure::config(format!("there is no `{FILE}` in `{}`", folder.display()))
            } else {
                Failure::config(format!("`{FILE}` cannot be read")).with_cause(error.to_string())
            };
            failure.with_hint("`inkhouse init` writes one; `--project DIR` names another folder")
        })?;
        let folder =
            fs_err::canonicalize(folder).map_err(|error| Failure::config(error.to_string()))?;
        Self::parse(&folder, &text)
    }

    /// Reads a config from its text. Relative paths start at `folder`, which must be absolute.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(folder: &Path, text: &str) -> Result<Self, Failure> {
        let source = Source { path: FILE.to_owned(), text: text.to_owned() };
        let root = DeTable::parse(&source.text)
            .map_err(|error| excerpt::toml_failure(FILE, &source.text, &error))
            .map_err(|failure| {
                failure.with_hint("`inkhouse init DIR` writes a sound one to compare with")
            })?;
        let mut config = Self {
            url: place_url(folder, DEFAULT_URL).map_err(Failure::config)?,
            folder: folder.to_owned(),
            storage: None,
            memory_bytes: DEFAULT_MEMORY,
            parallel_streams: DEFAULT_STREAMS,
            shop_name: None,
            time_zone: Tz::UTC,
            sources: BTreeMap::new(),
            destinations: BTreeMap::new(),
            source: source.clone(),
        };
        for (key, value) in root.get_ref() {
            let name = key.get_ref().as_ref();
            let DeValue::Table(table) = value.get_ref() else {
                return Err(source
                    .failure(&key.span(), format!("unknown field `{name}`"))
                    .with_hint("every setting stands in a section, such as `[warehouse]`"));
            };
            match name {
                "warehouse" => config.read_warehouse(&key.span(), table)?,
                "shop" => config.read_shop(&key.span(), table)?,
                "run" => config.read_run(&key.span(), table)?,
                "sources" => {
                    config.sources = services(&source, name, table, &registry::source_names())?;
                }
                "destinations" => {
                    config.destinations =
                        services(&source, name, table, &registry::destination_names())?;
                }
                _ => {
                    return Err(source
                        .failure(&key.span(), format!("unknown section `{name}`"))
                        .with_hint(excerpt::known_hint(name, &SECTIONS)));
                }
            }
        }
        Ok(config)
    }

    fn read_warehouse(&mut self, span: &Span, table: &DeTable<'_>) -> Result<(), Failure> {
        let source = &self.source;
        let mut own = DeTable::new();
        for (key, value) in table {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("storage", DeValue::Table(storage)) => {
                    self.storage =
                        Some(Section::read(source, "warehouse.storage", key.span(), storage)?);
                }
                _ => {
                    own.insert(key.clone(), value.clone());
                }
            }
        }
        let section = Section::read(source, "warehouse", span.clone(), &own)?;
        section.only(source, &["url", "memory", "storage"])?;
        if let Some((text, field)) = section.text(source, "url")? {
            self.url = place_url(&self.folder, text)
                .map_err(|reason| source.failure(&field.value_span, reason))?;
        }
        if let Some((text, field)) = section.text(source, "memory")? {
            self.memory_bytes = quantity::parse_bytes(text)
                .map_err(|reason| source.failure(&field.value_span, reason))?;
        }
        Ok(())
    }

    fn read_shop(&mut self, span: &Span, table: &DeTable<'_>) -> Result<(), Failure> {
        let source = &self.source;
        let section = Section::read(source, "shop", span.clone(), table)?;
        section.only(source, &["name", "time_zone"])?;
        self.shop_name = section.text(source, "name")?.map(|(name, _)| name.to_owned());
        if let Some((text, field)) = section.text(source, "time_zone")? {
            self.time_zone = text.parse().map_err(|_| {
                source
                    .failure(&field.value_span, format!("`{text}` is no IANA time zone"))
                    .with_hint(zone_hint(text))
            })?;
        }
        Ok(())
    }

    fn read_run(&mut self, span: &Span, table: &DeTable<'_>) -> Result<(), Failure> {
        let source = &self.source;
        let section = Section::read(source, "run", span.clone(), table)?;
        section.only(source, &["parallel_streams"])?;
        if let Some(field) = section.fields.get("parallel_streams") {
            let number = match &field.setting {
                Setting::Plain(value) => value.as_u64().and_then(|n| usize::try_from(n).ok()),
                Setting::Secret(_) => None,
            };
            self.parallel_streams = number.filter(|n| (1..=64).contains(n)).ok_or_else(|| {
                source
                    .failure(&field.value_span, "`parallel_streams` must be a number from 1 to 64")
            })?;
        }
        Ok(())
    }

    /// The project folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The warehouse's address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The configured sources' names, sorted.
    pub fn source_names(&self) -> Vec<&str> {
        self.sources.keys().map(String::as_str).collect()
    }

    /// The configured destinations' names, sorted.
    pub fn destination_names(&self) -> Vec<&str> {
        self.destinations.keys().map(String::as_str).collect()
    }

    /// Opens the warehouse; nothing is read yet. `memory` overrides the config's.
    ///
    /// # Errors
    /// A config failure when the address or a storage option cannot be used.
    pub fn warehouse(&self, memory: Option<usize>) -> Result<Warehouse, Failure> {
        let mut storage = BTreeMap::new();
        for (name, field) in self.storage.iter().flat_map(|section| &section.fields) {
            let text = match &field.setting {
                Setting::Plain(Value::String(text)) => text.clone(),
                Setting::Plain(value) => value.to_string(),
                Setting::Secret(reference) => {
                    let secret = reference
                        .read(&self.folder, &environment)
                        .map_err(|missing| self.missing(name, field, &missing))?;
                    secret.expose_secret().to_owned()
                }
            };
            storage.insert(name.clone(), text);
        }
        let partitions = std::thread::available_parallelism().map_or(2, usize::from);
        let options = warehouse::Options {
            memory_bytes: memory.unwrap_or(self.memory_bytes),
            partitions,
            spill_dir: None,
        };
        Warehouse::open(&self.url, &storage, options).map_err(|error| {
            Failure::from(error).with_hint(format!("see `[warehouse]` in `{FILE}`"))
        })
    }

    /// A configured source, with its secrets.
    ///
    /// # Errors
    /// A config failure at the field that is wrong, or for a source that is not configured.
    pub fn source(&self, name: &str) -> Result<Arc<dyn connectors::Source>, Failure> {
        let section = Self::section("source", name, &self.sources)?;
        let fields = self.resolve(section)?;
        registry::source(name, fields).map_err(|error| self.explain(section, error))
    }

    /// A source that only reads saved files: absent secrets do not matter, and it need not be
    /// configured at all.
    ///
    /// # Errors
    /// As [`Config::source`].
    pub fn offline_source(&self, name: &str) -> Result<Arc<dyn connectors::Source>, Failure> {
        if !registry::source_names().contains(&name) {
            return Err(Failure::config(format!("there is no source `{name}`"))
                .with_hint(excerpt::known_hint(name, &registry::source_names())));
        }
        if let Some(section) = self.sources.get(name) {
            let fields = section.fields.iter().map(|(name, field)| {
                let value = match &field.setting {
                    Setting::Plain(value) => value.clone(),
                    Setting::Secret(_) => Value::String("not-needed".to_owned()),
                };
                (name.clone(), value)
            });
            let fields = Value::Object(fields.collect());
            return registry::source(name, fields).map_err(|error| self.explain(section, error));
        }
        // The one source that has saved files.
        let fields = serde_json::json!({ "shop": "saved.myshopify.com", "token": "not-needed" });
        registry::source(name, fields).map_err(|_| {
            Failure::config(format!("`{name}` cannot read saved files")).with_hint("`shopify` can")
        })
    }

    /// A configured destination likewise.
    ///
    /// # Errors
    /// As [`Config::source`].
    pub fn destination(&self, name: &str) -> Result<Arc<dyn connectors::Destination>, Failure> {
        let section = Self::section("destination", name, &self.destinations)?;
        let fields = self.resolve(section)?;
        registry::destination(name, fields).map_err(|error| self.explain(section, error))
    }

    /// Looks every field over without needing a secret. Returns the secrets that are not there.
    ///
    /// # Errors
    /// A config failure at the first field that is wrong.
    pub fn check(&self) -> Result<Vec<String>, Failure> {
        let mut absent = Vec::new();
        let sources = self.sources.values().map(|section| (section, true));
        let destinations = self.destinations.values().map(|section| (section, false));
        for (section, is_source) in sources.chain(destinations) {
            let mut fields = Map::new();
            for (name, field) in &section.fields {
                let value = match &field.setting {
                    Setting::Plain(value) => value.clone(),
                    Setting::Secret(reference) => match self.read_secret(reference) {
                        Ok(value) => value,
                        Err(missing) => {
                            absent.push(format!("`{name}` of `[{}]`: {missing}", section.name));
                            Value::String("not-there".to_owned())
                        }
                    },
                };
                fields.insert(name.clone(), value);
            }
            let name = section.name.rsplit('.').next().unwrap_or_default();
            let fields = Value::Object(fields);
            let made = if is_source {
                registry::source(name, fields).map(drop)
            } else {
                registry::destination(name, fields).map(drop)
            };
            made.map_err(|error| self.explain(section, error))?;
        }
        Ok(absent)
    }

    fn section<'a>(
        what: &str,
        name: &str,
        sections: &'a BTreeMap<String, Section>,
    ) -> Result<&'a Section, Failure> {
        sections.get(name).ok_or_else(|| {
            let known: Vec<&str> = sections.keys().map(String::as_str).collect();
            Failure::config(format!("`{FILE}` configures no {what} `{name}`")).with_hint(
                if known.is_empty() {
                    format!("add a section `[{what}s.{name}]`")
                } else {
                    excerpt::known_hint(name, &known)
                },
            )
        })
    }

    fn read_secret(&self, reference: &Reference) -> Result<Value, Missing> {
        let secret = reference.read(&self.folder, &environment)?;
        Ok(Value::String(secret.expose_secret().to_owned()))
    }

    fn resolve(&self, section: &Section) -> Result<Value, Failure> {
        let mut fields = Map::new();
        for (name, field) in &section.fields {
            let value = match &field.setting {
                Setting::Plain(value) => value.clone(),
                Setting::Secret(reference) => self
                    .read_secret(reference)
                    .map_err(|missing| self.missing(name, field, &missing))?,
            };
            fields.insert(name.clone(), value);
        }
        Ok(Value::Object(fields))
    }

    fn missing(&self, name: &str, field: &section::Field, missing: &Missing) -> Failure {
        self.source
            .failure(&field.name_span, format!("the secret `{name}` is not there"))
            .with_cause(missing.to_string())
            .with_hint("set it, or name another place: `{ env = \"..\" }` or `{ file = \"..\" }`")
    }

    /// Points a connector's complaint at the field it is about.
    fn explain(&self, section: &Section, error: connectors::Error) -> Failure {
        let message = error.to_string();
        if let Some((unknown, known)) = excerpt::unknown_field(&message)
            && let Some(field) = section.fields.get(&unknown)
        {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            return self
                .source
                .failure(&field.name_span, format!("unknown field `{unknown}`"))
                .with_hint(excerpt::known_hint(&unknown, &known));
        }
        // A field named in the message, or one whose value is quoted in it; else the section.
        let named = message.split('`').skip(1).step_by(2).find_map(|name| section.fields.get(name));
        let quoted = || {
            section.fields.values().find(|field| match &field.setting {
                Setting::Plain(value) => message.contains(&value.to_string()),
                Setting::Secret(_) => false,
            })
        };
        let span = named.or_else(quoted).map_or(&section.span, |field| &field.name_span);
        let failure = self.source.failure(span, message);
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

type Span = std::ops::Range<usize>;

fn services(
    source: &Source,
    group: &str,
    table: &DeTable<'_>,
    known: &[&str],
) -> Result<BTreeMap<String, Section>, Failure> {
    let mut sections = BTreeMap::new();
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let DeValue::Table(fields) = value.get_ref() else {
            return Err(source.failure(&key.span(), format!("`{group}.{name}` must be a section")));
        };
        if !known.contains(&name) {
            let one = group.trim_end_matches('s');
            return Err(source
                .failure(&key.span(), format!("there is no {one} `{name}`"))
                .with_hint(excerpt::known_hint(name, known)));
        }
        let section = Section::read(source, &format!("{group}.{name}"), key.span(), fields)?;
        sections.insert(name.to_owned(), section);
    }
    Ok(sections)
}

/// The root's address; `file://` with a path that does not start at the root of the file system
/// starts at the project folder.
fn place_url(folder: &Path, text: &str) -> Result<Url, String> {
    let Some(path) = text.strip_prefix("file://") else {
        return text.parse().map_err(|error| format!("`{text}` is no address: {error}"));
    };
    let path = folder.join(path);
    // `.` and `..` are taken out without asking the disk: the folder need not exist yet.
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    Url::from_directory_path(&plain).map_err(|()| format!("`{text}` is no address of a folder"))
}

/// A hint for a zone that is none.
pub fn zone_hint(text: &str) -> String {
    let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    match excerpt::nearest(text, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a zone such as `America/Los_Angeles` or `Europe/Berlin`".to_owned(),
    }
}
