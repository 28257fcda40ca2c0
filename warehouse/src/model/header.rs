//! The head of a model: prose for people, then `--!` lines that are one TOML document.
//!
//! The document keeps its lines and columns (everything else is blanked out), so that what the
//! TOML parser complains about is found where it stands in the file.

use serde::Deserialize;

use super::finding::{Finding, Place, code, did_you_mean};

const KEYS: &[&str] = &[
    "kind",
    "key",
    "not_null",
    "checks",
    "severity",
    "sort_by",
    "columns",
    "tags",
    "destination",
    "object",
];

/// How a model becomes a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The whole table is computed and replaced.
    Full,
    /// Nothing is stored; readers compute it.
    View,
    /// The rows computed are put in place of those with the same key; the others stay.
    Merge,
}

impl Kind {
    /// As in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::View => "view",
            Self::Merge => "merge",
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
    /// More columns that are never null.
    #[serde(default)]
    pub not_null: Vec<String>,
    /// Conditions over the columns of one row; a row where one is false breaks it, null does not.
    #[serde(default)]
    pub checks: Vec<String>,
    /// What a failed check does.
    #[serde(default)]
    pub severity: Severity,
    /// The order in which rows are stored, for reading to skip by; none by default.
    #[serde(default)]
    pub sort_by: Vec<String>,
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
            let list = KEYS.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            let hint = did_you_mean(key, KEYS.iter().copied());
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

/// Where a value of the header stands: the quoted `value` in a `--!` line.
pub(crate) fn place_of_value(text: &str, value: &str) -> Place {
    // As written in TOML, where a quote or a backslash inside is escaped.
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with("--!")) {
        for quoted in [format!("\"{escaped}\""), format!("'{value}'")] {
            if let Some(at) = line.find(&quoted) {
                let before = line.get(..at).unwrap_or(line);
                return Place { line: number + 1, column: before.chars().count() + 2 };
            }
        }
    }
    first_header_line(text)
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
