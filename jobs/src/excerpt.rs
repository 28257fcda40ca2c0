//! Where in a file something is wrong, shown with the line and a caret.
//!
//! A line that may hold a secret is shown without its value, since a config that does not parse is
//! exactly the one in which a secret may stand where it should not.

use std::ops::Range;

use crate::failure::{Failure, Kind};

/// Names of fields whose values are secrets, wherever they stand.
const SECRET_WORDS: [&str; 5] = ["token", "secret", "password", "key", "credential"];
/// Fields that end like a secret and are none.
const NO_SECRETS: [&str; 1] = ["access_key_id"];

/// Whether a field of this name holds a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !NO_SECRETS.iter().any(|known| name.ends_with(known))
        && SECRET_WORDS.iter().any(|word| {
            name.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
        })
}

/// Characters of a line that are shown of a model's file.
const WIDEST: usize = 120;

/// A place in a file: line and column from 1, and the length of what is underlined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters to underline, at least 1.
    pub width: usize,
}

impl Place {
    /// The place of a byte range; a range over several lines is cut at the first one's end.
    pub fn of(text: &str, span: &Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let covered = text.get(span.clone()).unwrap_or("");
        let covered = covered.lines().next().unwrap_or("");
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            width: covered.chars().count().max(1),
        }
    }
}

/// The line with a caret under the place:
///
/// ```text
/// 15 | lookbak   = "30d"
///    | ^^^^^^^
/// ```
///
/// Of a config, whose secrets are not shown.
pub fn caret(text: &str, place: Place) -> String {
    let line = text.lines().nth(place.line.saturating_sub(1)).unwrap_or("");
    // Nobody knows what a text that began above holds.
    let line = if is_inside_text(text, place.line) { "***".to_owned() } else { masked(line) };
    drawn(&line, place)
}

/// The same of a model's file, which has no secrets: as it is written, but cut when it is long.
pub fn sql_caret(text: &str, place: Place) -> String {
    let line = text.lines().nth(place.line.saturating_sub(1)).unwrap_or("");
    if line.chars().count() <= WIDEST {
        return drawn(line, place);
    }
    // What stands before the place says more than what follows.
    let first = place.column.saturating_sub(1 + WIDEST / 2);
    let before = if first == 0 { "" } else { ".." };
    let part: String = line.chars().skip(first).take(WIDEST).collect();
    let after = if first + WIDEST >= line.chars().count() { "" } else { ".." };
    let column = place.column - first + before.len();
    drawn(&format!("{before}{part}{after}"), Place { column, ..place })
}

fn drawn(line: &str, place: Place) -> String {
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    // Tabs are kept in the second line, so that the caret stands under its column.
    let lead: String = line
        .chars()
        .take(place.column.saturating_sub(1))
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let room = line.chars().count().saturating_sub(place.column - 1).max(1);
    let carets = "^".repeat(place.width.min(room));
    format!("{number} | {line}\n{margin} | {lead}{carets}")
}

/// The line without the values of fields that are secrets, inside inline tables too. Where a secret
/// is (`{ env = ".." }`, `{ file = ".." }`) may be shown; a comment may hold anything and is not.
fn masked(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    // At which depth of braces the value of a secret began, and the field that was named last.
    let (mut depth, mut secret, mut field) = (0_usize, None, String::new());
    while let Some(next) = rest.chars().next() {
        let length = if matches!(next, '"' | '\'') { literal(rest) } else { next.len_utf8() };
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let is_name = secret.is_none_or(|at| depth > at) && names_on(after);
        let is_place = matches!(field.as_str(), "env" | "file");
        rest = after;
        match next {
            '#' => break,
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '=' => {
                field = last_name(&shown);
                if secret.is_none() && is_secret_name(&field) {
                    secret = Some(depth);
                }
            }
            _ => {}
        }
        if secret.is_some_and(|at| depth < at || (next == ',' && depth == at)) {
            secret = None;
        }
        let is_syntax = next.is_whitespace() || matches!(next, '=' | '{' | '}' | ',');
        if secret.is_none() || is_syntax || is_name || is_place {
            shown.push_str(piece);
        } else if !shown.ends_with("***") {
            shown.push_str("***");
        }
    }
    shown
}

/// The length of a literal with its quotes; one without an end goes to the end of the line.
fn literal(text: &str) -> usize {
    let quote = text.get(..1).unwrap_or_default();
    text.get(1..).and_then(|inside| inside.find(quote)).map_or(text.len(), |at| at + 2)
}

/// Whether the word that goes on or ends here is the name of a field.
fn names_on(rest: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    rest.trim_start_matches(is_word).trim_start().starts_with('=')
}

/// The last part of the name that ends the text.
fn last_name(text: &str) -> String {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    text.rsplit(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Whether a line begins inside of a text that goes over several lines.
fn is_inside_text(text: &str, line: usize) -> bool {
    let before: String =
        text.lines().take(line.saturating_sub(1)).flat_map(|l| [l, "\n"]).collect();
    [r#"""""#, "'''"].iter().any(|quotes| before.matches(quotes).count() % 2 == 1)
}

/// A config failure at a place in a file.
pub fn failure(path: &str, text: &str, span: &Range<usize>, message: impl AsRef<str>) -> Failure {
    let place = Place::of(text, span);
    let headline = format!("{path}:{}:{}: {}", place.line, place.column, message.as_ref());
    Failure::new(Kind::Config, headline).with_excerpt(caret(text, place))
}

/// The known name that is nearest to a misspelt one, if one is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A hint for an unknown name: the nearest known one, else all of them.
pub fn known_hint(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "nothing is known here".to_owned(),
        None => {
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("known are {}", names.join(", "))
        }
    }
}

/// What serde says of an unknown field, taken apart: the field and those it knows.
pub fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.split_once("unknown field ")?.1;
    let mut names = rest.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((names.next()?, names.collect()))
}

/// A failure of the TOML parser or of a typed section, at its place, with a hint where one helps.
pub fn toml_failure(path: &str, text: &str, error: &toml::de::Error) -> Failure {
    let span = error.span().unwrap_or(0..0);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    match unknown_field(&message) {
        Some((field, known)) => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            failure(path, text, &span, format!("unknown field `{field}`"))
                .with_hint(known_hint(&field, &known))
        }
        None => failure(path, text, &span, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_name() {
        let text = "a = 1\n\nlookbak   = \"30d\"\n";
        let start = text.find("lookbak").unwrap();
        let failure = failure("jobs/x.toml", text, &(start..start + 7), "unknown field `lookbak`");
        assert_eq!(failure.to_string(), "jobs/x.toml:3:1: unknown field `lookbak`");
        assert_eq!(failure.excerpt(), Some("3 | lookbak   = \"30d\"\n  | ^^^^^^^"));
    }

    #[test]
    fn a_secret_is_never_in_an_excerpt() {
        for line in [
            "token = \"shpat_x",
            "token = shpat_x=",
            "stripe.key=\"rk_x\"",
            "\"secret_access_key\" = 'x'",
            "shopify = { shop = \"a\", token = \"shpat_x\" }",
            "storage = { secret_access_key = 'x', region = \"b\" }",
            "token = { value = \"shpat_x\" }",
            "token = { env = \"T\", value = \"shpat_x\" }",
            "region = 1 # token shpat_x",
        ] {
            let shown = caret(line, Place { line: 1, column: 1, width: 3 });
            assert!(!shown.contains("_x") && !shown.contains("'x"), "{shown}");
            assert!(shown.contains("***") || line.contains('#'), "{shown}");
        }
        let text = "token = \"\"\"\nshpat_x\n\"\"\"\n";
        assert_eq!(caret(text, Place { line: 2, column: 1, width: 3 }), "2 | ***\n  | ^^^");
        let line = "s = { token = { file = \"t\" }, shop = \"a\" }";
        let shown = caret(line, Place { line: 1, column: 1, width: 1 });
        assert!(shown.contains(line), "{shown}");
    }

    #[test]
    fn a_models_line_is_shown_as_it_is() {
        for line in ["--! key  = [\"order_id\"", "on orders.sort_key = others.order_id # 1"] {
            let text = format!("-- \"\"\"\n{line}\n");
            let shown = sql_caret(&text, Place { line: 2, column: 5, width: 3 });
            assert_eq!(shown, format!("2 | {line}\n  |     ^^^"));
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}wrong{}", "a".repeat(3000), "b".repeat(2000));
        let shown = sql_caret(&text, Place { line: 1, column: 3001, width: 5 });
        let (line, carets) = shown.split_once('\n').unwrap();
        assert!(line.chars().count() < 140 && line.contains("aawrongbb"), "{shown}");
        assert_eq!(line.find("wrong"), carets.find("^^^^^"));
        let shown = sql_caret(&text, Place { line: 1, column: 1, width: 1 });
        assert!(shown.starts_with("1 | aaa") && shown.contains("a..\n  | ^"), "{shown}");
        let shown = sql_caret(&text, Place { line: 1, column: 5005, width: 1 });
        let (line, carets) = shown.split_once('\n').unwrap();
        assert!(line.ends_with("bb") && line.len() == carets.len(), "{shown}");
    }

    #[test]
    fn the_nearest_name_is_suggested_and_a_far_one_is_not() {
        assert_eq!(known_hint("stor_id", &["token", "store_id"]), "did you mean `store_id`?");
        assert_eq!(known_hint("zzz", &["token", "store_id"]), "known are `token`, `store_id`");
        assert_eq!(
            unknown_field("unknown field `a`, expected one of `b`, `c`"),
            Some(("a".to_owned(), vec!["b".to_owned(), "c".to_owned()]))
        );
    }
}
