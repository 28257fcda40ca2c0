//! What a statement reads, found by parsing.
//!
//! References are what DataFusion's own resolver finds, so a CTE that shadows a table, a subquery
//! or a set operation is read as the engine will read it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{
    ObjectName, Spanned as _, Statement as Ast, visit_relations,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::finding::Place;

/// A table that a statement reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// `raw.<source>.<stream>`, whole.
    Raw(String),
    /// `ops.<table>`, whole.
    Ops(String),
    /// A model's name, or one that nobody has.
    Model(String),
    /// Any other qualified name, or the catalog of the engine.
    Other(String),
}

impl Target {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Raw(name) | Self::Ops(name) | Self::Model(name) | Self::Other(name) => name,
        }
    }

    pub(crate) fn of(reference: &TableReference) -> Self {
        match reference {
            TableReference::Bare { table } => Self::Model(table.to_string()),
            TableReference::Partial { schema, table } if schema.as_ref() == "ops" => {
                Self::Ops(format!("ops.{table}"))
            }
            TableReference::Full { catalog, schema, table } if catalog.as_ref() == "raw" => {
                Self::Raw(format!("raw.{schema}.{table}"))
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// A target and the first place where it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) target: Target,
    pub(crate) place: Place,
}

/// Parses one statement. The error is a place, a message and a hint.
pub(crate) fn parse_statement(text: &str) -> Result<Statement, (Place, String, Option<String>)> {
    let dialect = PostgreSqlDialect {};
    let parsed = DFParserBuilder::new(text)
        .with_dialect(&dialect)
        .build()
        .and_then(|mut parser| parser.parse_statements());
    let mut statements = match parsed {
        Ok(statements) => statements,
        Err(error) => {
            let (place, message) = syntax_error(text, &error.strip_backtrace());
            let comma = message == "expected an expression, found: from";
            let hint = comma.then(|| "take out the comma before `from`".to_owned());
            return Err((place, message, hint));
        }
    };
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err((Place::START, "there is no SQL".to_owned(), None)),
        (Some(_), _) => {
            let hint =
                Some("a file is one `select`; make the others files of their own".to_owned());
            let second = place_of_statement(text, 1);
            Err((second, "there is more than one statement".to_owned(), hint))
        }
    }
}

/// Where the statement of that number begins, from 0: its first word that is no comment.
pub(crate) fn place_of_statement(text: &str, number: usize) -> Place {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location();
    let mut ended = 0;
    let mut is_inside = false;
    for token in tokens.unwrap_or_default() {
        match token.token {
            Token::Whitespace(_) => {}
            // Several in a row end one statement.
            Token::SemiColon => {
                ended += usize::from(is_inside);
                is_inside = false;
            }
            _ if ended == number => {
                let index = |n: u64| usize::try_from(n).unwrap_or(1).max(1);
                let at = token.span.start;
                return Place { line: index(at.line), column: index(at.column) };
            }
            _ => is_inside = true,
        }
    }
    Place::START
}

/// The parser's message says where at its end: `.. at Line: 3, Column: 5`.
fn syntax_error(text: &str, message: &str) -> (Place, String) {
    let message = message.strip_prefix("SQL error: ").unwrap_or(message);
    let message = ["ParserError(\"", "TokenizerError(\""]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))
        .map_or(message, |rest| rest.strip_suffix("\")").unwrap_or(rest));
    let Some((what, at)) = message.rsplit_once(" at Line: ") else {
        return (Place::START, lower_first(message));
    };
    let mut numbers = at.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    let place = Place { line: numbers.next().unwrap_or(1), column: numbers.next().unwrap_or(1) };
    (found_at(text, what, place), lower_first(what))
}

/// Where the word stands that the parser found: `.. found: from` may be placed behind that word.
fn found_at(text: &str, what: &str, place: Place) -> Place {
    let Some((_, word)) = what.rsplit_once("found: ") else { return place };
    let line = text.lines().nth(place.line - 1).unwrap_or_default();
    let before: String = line.chars().take(place.column - 1).collect();
    match before.trim_end().strip_suffix(word) {
        Some(rest) => Place { column: rest.chars().count() + 1, ..place },
        None => place,
    }
}

/// The house's form of a message that comes from elsewhere.
pub(crate) fn lower_first(message: &str) -> String {
    let message = message.trim().trim_end_matches('.').replace('\n', " ");
    let mut letters = message.chars();
    match (letters.next(), message.chars().nth(1)) {
        // An acronym stays as it is.
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => message,
    }
}

/// What a statement reads, each once, in the order of their names.
pub(crate) fn references(statement: &Statement) -> Vec<Reference> {
    let Ok((tables, _)) = resolve_table_references(statement, true) else { return Vec::new() };
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    if let Statement::Statement(statement) = statement {
        let visited: ControlFlow<()> = visit_relations(statement.as_ref(), |name| {
            let at = name.span().start;
            let index = |n: u64| usize::try_from(n).unwrap_or(1).max(1);
            let place = Place { line: index(at.line), column: index(at.column) };
            places.entry(normalised(name)).or_insert(place);
            ControlFlow::Continue(())
        });
        debug_assert!(visited.is_continue(), "the visitor never breaks");
    }
    let mut found: Vec<Reference> = tables
        .iter()
        .map(|table| {
            let target = Target::of(table);
            let place = places.get(&table.to_string()).copied().unwrap_or(Place::START);
            Reference { target, place }
        })
        .collect();
    found.sort_by(|a, b| a.target.cmp(&b.target));
    found
}

fn normalised(name: &ObjectName) -> String {
    let part = |part: &datafusion::sql::sqlparser::ast::ObjectNamePart| {
        part.as_ident().map_or_else(String::new, |ident| match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        })
    };
    name.0.iter().map(part).collect::<Vec<_>>().join(".")
}

/// Whether a statement is a bare query.
pub(crate) fn is_query(statement: &Statement) -> bool {
    matches!(statement, Statement::Statement(ast) if matches!(ast.as_ref(), Ast::Query(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_tables_and_never_ctes_and_have_a_place() {
        let text = "with a as (\n    select * from raw.shopify.orders\n)\n\nselect * from a\nunion all\nselect * from (select 1 from int_b) as b, fct_c where x in (select y from stg_d)";
        let found = references(&parse_statement(text).unwrap());
        let names: Vec<_> = found.iter().map(|r| (r.target.name(), r.place.line)).collect();
        assert_eq!(names, [("raw.shopify.orders", 2), ("fct_c", 7), ("int_b", 7), ("stg_d", 7)]);
        assert_eq!(found[0].place.column, 19);
    }

    #[test]
    fn a_syntax_error_says_where() {
        let (place, message, _) = parse_statement("-- x\nselect a,\nfrom t").unwrap_err();
        assert_eq!(place.line, 3, "{message}");
        assert!(message.starts_with("expected"), "{message}");
        let (_, message, _) = parse_statement("select 1; select 2").unwrap_err();
        assert_eq!(message, "there is more than one statement");
        let text = "-- a; b\n;\nselect ';';;\n  select 2;";
        let (place, ..) = parse_statement(text).unwrap_err();
        assert_eq!(place, Place { line: 4, column: 3 });
    }
}
