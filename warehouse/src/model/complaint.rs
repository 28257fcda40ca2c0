//! What the engine says of a statement that it cannot plan, in words for the statement's author.
//!
//! The engine's messages list all that it tried, and say where only now and then: here they become
//! one line, a code and a place.

use datafusion::common::{DataFusionError, SchemaError, Span};

use super::check::{ONCE, last_word};
use super::finding::{Place, code, did_you_mean};
use super::references::lower_first;
use super::scope::plain;

/// An engine's error, for the author of the SQL.
pub(crate) struct Spot {
    pub(crate) code: &'static str,
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

pub(crate) fn explain(text: &str, error: &DataFusionError) -> Spot {
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    let schema = schema_error(error);
    if let Some(SchemaError::FieldNotFound { field, valid_fields: valid }) = schema {
        let span = field.spans().first().or(span);
        let place = span
            .map(place_of)
            .or_else(|| Place::of_word(text, &field.name))
            .unwrap_or(Place::START);
        let owner = field.relation.as_ref().map(ToString::to_string);
        let mut names: Vec<&str> = valid
            .iter()
            .filter(|column| {
                owner.is_none() || column.relation.as_ref().map(ToString::to_string) == owner
            })
            .map(|column| column.name.as_str())
            .collect();
        if names.is_empty() {
            names = valid.iter().map(|column| column.name.as_str()).collect();
        }
        names.dedup();
        let hint = did_you_mean(&field.name, names.iter().copied()).or_else(|| {
            (!names.is_empty() && names.len() <= 12)
                .then(|| format!("the columns are {}", ticked(&names)))
        });
        let hint = quotes(text, place, &field.name, &names).or(hint);
        let message = match owner {
            Some(owner) => format!("`{owner}` has no column `{}`", field.name),
            None => format!("no column is called `{}`", field.name),
        };
        return Spot { code: code::COLUMN, place, message, hint };
    }
    let message = plain(error);
    let place = span.map(place_of).or_else(|| quoted(text, &message)).unwrap_or(Place::START);
    let spot = |code, message: String, hint: Option<String>| Spot { code, place, message, hint };
    if let Some(name) = named_twice(schema, &message) {
        // Names are in lower case, whatever the text says.
        let place = last_word(&text.to_ascii_lowercase(), name).unwrap_or(place);
        let message = format!("two columns are called `{name}`");
        return Spot { code: code::TYPE, place, message, hint: Some(ONCE.to_owned()) };
    }
    if let Some(SchemaError::AmbiguousReference { field }) = schema {
        let name = &field.name;
        let message = format!("more than one table has a column `{name}`");
        return spot(code::PLAN, message, Some(format!("say whose it is: `table.{name}`")));
    }
    if let Some((message, hint)) = not_grouped(&message) {
        return spot(code::PLAN, message, Some(hint));
    }
    if let Some(message) = wrong_arguments(&message) {
        return spot(code::FUNCTION, message, None);
    }
    let (message, hint) = match message.split_once("Did you mean") {
        Some((what, rest)) => {
            let name = rest.trim_matches(|c: char| !c.is_alphanumeric() && c != '_');
            let what = what.trim().trim_end_matches('.');
            (what.to_owned(), Some(format!("did you mean `{name}`?")))
        }
        None => (message.into_owned(), None),
    };
    let lower = message.to_lowercase();
    let code = if lower.contains("function") {
        code::FUNCTION
    } else if lower.starts_with("table ") && lower.contains("not found") {
        code::TABLE
    } else {
        code::PLAN
    };
    spot(code, message, hint)
}

/// What quotes are missing or are the wrong ones where a column is not found.
fn quotes(text: &str, place: Place, name: &str, known: &[&str]) -> Option<String> {
    if let Some(own) = known.iter().find(|own| own.eq_ignore_ascii_case(name) && **own != name) {
        return Some(format!("put it in double quotes: `\"{own}\"`"));
    }
    let line = text.lines().nth(place.line.checked_sub(1)?)?;
    let rest: String = line.chars().skip(place.column.checked_sub(1)?).collect();
    let is_quoted = rest.starts_with(&format!("\"{name}\""));
    (is_quoted && did_you_mean(name, known.iter().copied()).is_none())
        .then(|| format!("text takes single quotes: `'{name}'`"))
}

/// A column beside an aggregate that is not grouped by, in fewer words than the engine's.
fn not_grouped(message: &str) -> Option<(String, String)> {
    let (clause, rest) = message.split_once(" must be in GROUP BY or an aggregate function")?;
    let name = rest.split('"').nth(1)?;
    let name = name.rsplit('.').next().unwrap_or(name);
    let within = match clause.trim_start_matches("column in ") {
        "SELECT" => "",
        "HAVING" => " in `having`",
        "QUALIFY" => " in `qualify`",
        "ORDER BY" => " in `order by`",
        _ => " in `distinct on`",
    };
    Some((
        format!("`{name}`{within} is neither grouped by nor aggregated"),
        format!("add `{name}` to `group by`, or say which of its values is meant: `min({name})`"),
    ))
}

/// Arguments that a function does not take, without the list of what it could take.
fn wrong_arguments(message: &str) -> Option<String> {
    let (before, after) = message.split_once("No function matches")?;
    if let Some((_, own)) = before.split_once("user-defined coercion failed with: ") {
        let own = own.rsplit("Error during planning: ").next().unwrap_or(own);
        let own = own.trim().trim_end_matches(|c: char| c == '.' || c.is_whitespace());
        if !own.is_empty() {
            return Some(lower_first(own));
        }
    }
    // `'sum(Utf8)'`
    let call = after.split('\'').nth(1)?;
    let (name, given) = call.split_once('(')?;
    let given = given.strip_suffix(')').unwrap_or(given);
    if given.is_empty() {
        return Some(format!("`{name}` takes arguments"));
    }
    Some(format!("`{name}` does not take ({})", in_words(given)))
}

/// Types as the engine writes them, in the words of SQL.
fn in_words(types: &str) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("Utf8View", "text"),
        ("LargeUtf8", "text"),
        ("Utf8", "text"),
        ("Int64", "bigint"),
        ("Float64", "double"),
        ("Decimal128", "decimal"),
        ("Date32", "date"),
        ("Timestamp(µs, \"UTC\")", "timestamp in UTC"),
    ];
    let words = WORDS.iter().fold(types.to_owned(), |text, (from, to)| text.replace(from, to));
    words.to_lowercase().replace("in utc", "in UTC")
}

/// What the engine says of names and columns.
fn schema_error(error: &DataFusionError) -> Option<&SchemaError> {
    match error {
        DataFusionError::SchemaError(schema, _) => Some(schema.as_ref()),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            schema_error(inner)
        }
        DataFusionError::Shared(inner) => schema_error(inner),
        DataFusionError::Collection(errors) => errors.iter().find_map(schema_error),
        _ => None,
    }
}

/// The name that two columns of one `select` have.
fn named_twice<'a>(schema: Option<&'a SchemaError>, message: &'a str) -> Option<&'a str> {
    match schema {
        Some(SchemaError::AmbiguousReference { field }) if field.relation.is_some() => {
            Some(&field.name)
        }
        Some(
            SchemaError::DuplicateQualifiedField { name, .. }
            | SchemaError::DuplicateUnqualifiedField { name },
        ) => Some(name),
        _ if message.contains(" require unique expression names") => {
            let name = message.split('"').nth(1)?;
            name.rsplit(['.', ' ']).next()
        }
        _ => None,
    }
}

fn place_of(span: Span) -> Place {
    let index = |n: u64| usize::try_from(n).unwrap_or(1).max(1);
    Place { line: index(span.start.line), column: index(span.start.column) }
}

/// The place of the first word that the message quotes and the text has.
fn quoted(text: &str, message: &str) -> Option<Place> {
    message
        .split(['\'', '"', '`'])
        .skip(1)
        .step_by(2)
        .filter_map(|word| word.rsplit('.').next())
        .find_map(|word| last_word(text, word))
}

fn ticked(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_refuses_is_one_line() {
        let own = "function 'allocate' user-defined coercion failed with: Error during planning: \
                   `allocate` takes total and weights. No function matches the given name and \
                   argument types 'allocate(Utf8)'. You might need to add explicit type casts. \
                   \tCandidate functions: \tallocate(UserDefined)";
        assert_eq!(wrong_arguments(own).as_deref(), Some("`allocate` takes total and weights"));
        let other = "failed to coerce. No function matches the given name and argument types \
                     'sum(Utf8, Decimal128(18, 4))'. You might need to add explicit type casts.";
        let said = wrong_arguments(other);
        assert_eq!(said.as_deref(), Some("`sum` does not take (text, decimal(18, 4))"));
        assert_eq!(wrong_arguments("invalid function 'uper'"), None);
    }
}
