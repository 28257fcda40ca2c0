//! The head of a model: prose for people, then `--!` lines that are one TOML document.
//!
//! The document keeps its lines and columns (everything else is blanked out), so that what the
//! TOML parser complains about is found where it stands in the file.

use serde::Deserialize;

use super::checks::Rule;
use super::finding::{Finding, Place, code, did_you_mean};

/// Of an `scd2` table: since when the row holds.
pub(crate) const VALID_FROM: &str = "valid_from_at";
/// Of an `scd2` table: until when the row held; null while it does.
pub(crate) const VALID_TO: &str = "valid_to_at";
/// Of an `scd2` table: whether the row holds.
pub(crate) const IS_CURRENT: &str = "is_current";

/// How a model becomes a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The whole table is computed and replaced.
    Full,
    /// Nothing is stored; readers compute it.
    View,
    /// Like `full`, but only the keys that changed in the inputs are computed and replaced.
    Merge,
    /// Rows are added once and never change: those whose key is new.
    Append,
    /// Every version of a row, from when to when it held.
    Scd2,
}

impl Kind {
    /// As in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::View => "view",
            Self::Merge => "merge",
            Self::Append => "append",
            Self::Scd2 => "scd2",
        }
    }
}

/// What a failed check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is published.
    #[default]
    Block,
    /// It is written down.
    Warn,
}

impl Severity {
    /// As in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Warn => "warn",
        }
    }
}

/// What the `--!` lines say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// How it becomes a table.
    pub kind: Kind,
    /// The columns that name a row: unique together, none of them null.
    #[serde(default)]
    pub key: Vec<String>,
    /// The columns by which an incremental build tells apart what changed and what did not.
    #[serde(default)]
    pub changed_by: Vec<String>,
    /// Of an `scd2` the column that says since when a row is as it is; the run's time without.
    #[serde(default)]
    pub updated_at: Option<String>,
    /// More columns that are never null.
    #[serde(default)]
    pub not_null: Vec<String>,
    /// What else holds: conditions over one row, and tables in braces.
    #[serde(default)]
    pub checks: Vec<Rule>,
    /// What a failed check does, unless it says so itself.
    #[serde(default)]
    pub severity: Severity,
    /// Rows that differ here never share a file, so that reading by them skips files.
    #[serde(default)]
    pub partition_by: Vec<String>,
    /// The order in which rows are stored, for reading to skip by; `changed_by` by default.
    #[serde(default)]
    pub sort_by: Vec<String>,
    /// The day or moment that says to which month the keys in `changed_by` belong, for backfills.
    #[serde(default)]
    pub dated_by: Option<String>,
    /// The contract: all columns, each a name, or a name and a type (`order_id text`). Nothing is
    /// promised when there are none.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Words to select it by: `tag:finance`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The vendor that an export goes to.
    #[serde(default)]
    pub destination: Option<String>,
    /// What the rows of an export are there.
    #[serde(default)]
    pub object: Option<String>,
}

impl Header {
    /// The order in which rows are stored; empty for none.
    pub(crate) fn order(&self) -> Vec<String> {
        let then = if self.sort_by.is_empty() { &self.changed_by } else { &self.sort_by };
        let mut order = self.partition_by.clone();
        order.extend(then.iter().filter(|column| !self.partition_by.contains(column)).cloned());
        order
    }
}

/// The prose and the header of a file.
///
/// Fails with findings E001 and E002.
pub(crate) fn parse(path: &str, text: &str) -> Result<(String, Header), Vec<Finding>> {
    let mut findings = Vec::new();
    let mut prose: Vec<&str> = Vec::new();
    let mut toml = String::new();
    let mut has_header = false;
    let mut in_sql = false;
    for (number, line) in text.lines().enumerate() {
        if let Some(rest) = line.strip_prefix("--!") {
            if in_sql {
                let place = Place { line: number + 1, column: 1 };
                let message = "a header line stands below the SQL";
                findings.push(place.finding(code::HEADER, path, message, None));
            } else {
                has_header = true;
                toml.push_str("   ");
                toml.push_str(rest);
            }
        } else if let Some(rest) = line.strip_prefix("--") {
            if !in_sql && !has_header {
                prose.push(rest.strip_prefix(' ').unwrap_or(rest).trim_end());
            }
        } else if !line.trim().is_empty() {
            in_sql = true;
        }
        toml.push('\n');
    }
    let description = prose.join("\n").trim().to_owned();
    if description.is_empty() {
        let hint = Some("the first lines say what one row is: `-- One row per ..`".to_owned());
        let message = "the model has no description";
        findings.push(Place::START.finding(code::DESCRIPTION, path, message, hint));
    }
    if !has_header {
        let hint = Some("add `--! kind = \"full\"` below the description".to_owned());
        let message = "the model has no header";
        findings.push(Place::START.finding(code::DESCRIPTION, path, message, hint));
        return Err(findings);
    }
    match toml::from_str::<Header>(&toml) {
        Ok(header) if findings.is_empty() => Ok((description, header)),
        Ok(_) => Err(findings),
        Err(error) => {
            findings.push(complaint(path, text, &toml, &error));
            Err(findings)
        }
    }
}

fn complaint(path: &str, text: &str, toml: &str, error: &toml::de::Error) -> Finding {
    let message = error.message().trim();
    let first = message.split(", expected").next().unwrap_or(message);
    let unknown = first.strip_prefix("unknown field `").and_then(|rest| rest.strip_suffix('`'));
    let mut place = error.span().map_or(Place::START, |span| Place::of(toml, span.start));
    if message.starts_with("missing field") {
        // The parser has nothing to point at but the whole document.
        place = first_header_line(text);
    }
    let (message, hint) = match unknown {
        Some(key) => {
            // The parser lists in backticks what it would have taken there.
            let expected = message.get(first.len()..).unwrap_or_default();
            let keys: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
            let list = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            let hint = did_you_mean(key, keys.iter().copied());
            (first.to_owned(), hint.or_else(|| Some(format!("the keys are {list}"))))
        }
        None => (message.lines().collect::<Vec<_>>().join(", "), None),
    };
    place.finding(code::HEADER, path, message, hint)
}

pub(crate) fn first_header_line(text: &str) -> Place {
    let number = text.lines().position(|line| line.starts_with("--!")).unwrap_or(0);
    Place { line: number + 1, column: 1 }
}

/// Where a key of the header stands.
pub(crate) fn place_of_key(text: &str, key: &str) -> Place {
    let place = text.lines().enumerate().find_map(|(number, line)| {
        let rest = line.strip_prefix("--!")?.trim_start();
        rest.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        let before = line.chars().count() - rest.chars().count();
        Some(Place { line: number + 1, column: before + 1 })
    });
    place.unwrap_or_else(|| first_header_line(text))
}

/// Where a value of the header stands: the quoted `value` in a `--!` line.
pub(crate) fn place_of_value(text: &str, value: &str) -> Place {
    value_below(text, value, 0).unwrap_or_else(|| first_header_line(text))
}

/// Where a value of that key stands.
pub(crate) fn place_of_value_in(text: &str, key: &str, value: &str) -> Place {
    let place = place_of_key(text, key);
    value_below(text, value, place.line - 1).unwrap_or(place)
}

fn value_below(text: &str, value: &str, first: usize) -> Option<Place> {
    // As written in TOML, where a quote or a backslash inside is escaped.
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    let lines = text.lines().enumerate().skip(first);
    for (number, line) in lines.filter(|(_, line)| line.starts_with("--!")) {
        for quoted in [format!("\"{escaped}\""), format!("'{value}'")] {
            if let Some(at) = line.find(&quoted) {
                let before = line.get(..at).unwrap_or(line);
                return Some(Place { line: number + 1, column: before.chars().count() + 2 });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-- One row per order.\n--\n-- More.\n--\n--! kind = \"merge\"\n--! key  = [\n--!     \"order_id\",\n--! ]\nselect 1\n";

    #[test]
    fn the_prose_is_the_description_and_the_rest_is_toml() {
        let (description, header) = parse("m.sql", GOOD).unwrap();
        assert_eq!(description, "One row per order.\n\nMore.");
        assert_eq!((header.kind, header.severity), (Kind::Merge, Severity::Block));
        assert_eq!(header.key, ["order_id"]);
        assert_eq!(place_of_value(GOOD, "order_id"), Place { line: 7, column: 10 });
        let twice = "--! key     = ['a', 'b']\n--! sort_by = [\n--!     'a',\n--! ]\n";
        assert_eq!(place_of_key(twice, "sort_by"), Place { line: 2, column: 5 });
        assert_eq!(place_of_value_in(twice, "sort_by", "a"), Place { line: 3, column: 10 });
    }

    #[test]
    fn an_unknown_key_is_found_where_it_stands_and_explained() {
        let text = GOOD.replace("--! key  =", "--! keys =");
        let found = parse("sql/m.sql", &text).unwrap_err();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "sql/m.sql:6:5: unknown field `keys` [E002]");
        assert_eq!(found[0].hint.as_deref(), Some("did you mean `key`?"));
    }

    #[test]
    fn a_wrong_value_and_broken_toml_have_a_place() {
        let wrong = parse("m.sql", &GOOD.replace("\"merge\"", "\"merged\"")).unwrap_err();
        assert_eq!((wrong[0].line, wrong[0].column), (5, 12));
        assert!(wrong[0].message.contains("merged"), "{}", wrong[0].message);
        let broken = parse("m.sql", &GOOD.replace("--! ]", "--!")).unwrap_err();
        assert_eq!(broken[0].code, code::HEADER);
        assert!(broken[0].line >= 6, "{}", broken[0]);
    }

    #[test]
    fn a_missing_kind_description_or_header_is_named() {
        let none = parse("m.sql", "select 1\n").unwrap_err();
        assert_eq!(none.iter().map(|f| f.code).collect::<Vec<_>>(), ["E001", "E001"]);
        let kind = parse("m.sql", "-- One row.\n--! key = [\"a\"]\nselect 1\n").unwrap_err();
        assert_eq!(kind[0].to_string(), "m.sql:2:1: missing field `kind` [E002]");
        let late = parse("m.sql", "-- One row.\n--! kind = \"full\"\nselect 1\n--! key = []\n");
        assert_eq!(late.unwrap_err()[0].line, 4);
    }
}
