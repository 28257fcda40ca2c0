//! A reader of GraphQL query documents: operations, variables, arguments, aliases, fragments, directives.
//!
//! Only the shape is read here; what the names mean is the business of the plan.

use serde_json::Value as Json;

/// A document.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) operations: Vec<Operation>,
    pub(super) fragments: Vec<Fragment>,
}

#[derive(Debug)]
pub(super) struct Operation {
    /// `query`, `mutation` or `subscription`.
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) variables: Vec<Variable>,
    pub(super) selection: Vec<Selection>,
}

#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    /// As written: `String!`, `[ID!]!`.
    pub(super) kind: String,
    pub(super) default: Option<Value>,
}

#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) name: String,
    pub(super) on: String,
    pub(super) selection: Vec<Selection>,
}

#[derive(Debug)]
pub(super) enum Selection {
    Field(Field),
    Spread { name: String, conditions: Vec<Condition>, place: Place },
    Inline { on: Option<String>, conditions: Vec<Condition>, selection: Vec<Self>, place: Place },
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) alias: Option<String>,
    pub(super) name: String,
    pub(super) arguments: Vec<(String, Value)>,
    pub(super) conditions: Vec<Condition>,
    pub(super) selection: Vec<Selection>,
    pub(super) place: Place,
}

/// `@include(if:)` or `@skip(if:)`.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) includes: bool,
    pub(super) value: Value,
}

/// Line and column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// An argument's value, a variable possibly among it.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Variable(String),
    Enum(String),
    List(Vec<Self>),
    Plain(Json),
}

/// Why a document is not one.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) message: String,
    pub(super) place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Number(String),
    Text(String),
    Mark(char),
    Dots,
    End,
}

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Document, SyntaxError> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0 };
    let mut document = Document::default();
    while *reader.peek() != Token::End {
        if reader.is_mark('{') {
            let selection = reader.selection()?;
            document.operations.push(Operation {
                kind: "query".to_owned(),
                name: None,
                variables: Vec::new(),
                selection,
            });
            continue;
        }
        match reader.name()?.as_str() {
            "fragment" => {
                let name = reader.name()?;
                reader.word("on")?;
                let on = reader.name()?;
                document.fragments.push(Fragment { name, on, selection: reader.selection()? });
            }
            kind @ ("query" | "mutation" | "subscription") => {
                let kind = kind.to_owned();
                let operation = reader.operation(kind)?;
                document.operations.push(operation);
            }
            _ => return Err(reader.unexpected()),
        }
    }
    Ok(document)
}

struct Reader {
    tokens: Vec<(Token, Place)>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn place(&self) -> Place {
        let last = self.tokens.get(self.at).or_else(|| self.tokens.last());
        last.map_or(Place { line: 1, column: 1 }, |(_, place)| *place)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is_mark(&self, mark: char) -> bool {
        *self.peek() == Token::Mark(mark)
    }

    fn eat(&mut self, mark: char) -> bool {
        let is = self.is_mark(mark);
        self.at += usize::from(is);
        is
    }

    fn need(&mut self, mark: char) -> Result<(), SyntaxError> {
        if self.eat(mark) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> SyntaxError {
        let what = match self.peek() {
            Token::Name(text) | Token::Number(text) | Token::Text(text) => format!("\"{text}\""),
            Token::Mark(mark) => format!("\"{mark}\""),
            Token::Dots => "\"...\"".to_owned(),
            Token::End => "end of file".to_owned(),
        };
        let place = self.place();
        let message =
            format!("syntax error, unexpected {what} at [{}, {}]", place.line, place.column);
        SyntaxError { message, place }
    }

    fn name(&mut self) -> Result<String, SyntaxError> {
        match self.peek().clone() {
            Token::Name(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), SyntaxError> {
        if *self.peek() == Token::Name(word.to_owned()) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected())
    }

    fn operation(&mut self, kind: String) -> Result<Operation, SyntaxError> {
        let name = if matches!(self.peek(), Token::Name(_)) { Some(self.name()?) } else { None };
        let mut variables = Vec::new();
        if self.eat('(') {
            while !self.eat(')') {
                self.need('$')?;
                let name = self.name()?;
                self.need(':')?;
                let kind = self.kind()?;
                let default = if self.eat('=') { Some(self.value()?) } else { None };
                variables.push(Variable { name, kind, default });
            }
        }
        self.conditions()?;
        Ok(Operation { kind, name, variables, selection: self.selection()? })
    }

    fn kind(&mut self) -> Result<String, SyntaxError> {
        let mut kind = if self.eat('[') {
            let inner = self.kind()?;
            self.need(']')?;
            format!("[{inner}]")
        } else {
            self.name()?
        };
        if self.eat('!') {
            kind.push('!');
        }
        Ok(kind)
    }

    fn selection(&mut self) -> Result<Vec<Selection>, SyntaxError> {
        self.need('{')?;
        let mut all = Vec::new();
        while !self.eat('}') {
            all.push(self.selected()?);
        }
        if all.is_empty() { Err(self.unexpected()) } else { Ok(all) }
    }

    fn selected(&mut self) -> Result<Selection, SyntaxError> {
        let place = self.place();
        if *self.peek() == Token::Dots {
            self.at += 1;
            let on = match self.peek().clone() {
                Token::Name(word) if word == "on" => {
                    self.at += 1;
                    Some(self.name()?)
                }
                Token::Name(name) => {
                    self.at += 1;
                    return Ok(Selection::Spread { name, conditions: self.conditions()?, place });
                }
                _ => None,
            };
            let conditions = self.conditions()?;
            return Ok(Selection::Inline { on, conditions, selection: self.selection()?, place });
        }
        let first = self.name()?;
        let (alias, name) = if self.eat(':') { (Some(first), self.name()?) } else { (None, first) };
        let arguments = self.arguments()?;
        let conditions = self.conditions()?;
        let selection = if self.is_mark('{') { self.selection()? } else { Vec::new() };
        Ok(Selection::Field(Field { alias, name, arguments, conditions, selection, place }))
    }

    fn arguments(&mut self) -> Result<Vec<(String, Value)>, SyntaxError> {
        let mut arguments = Vec::new();
        if self.eat('(') {
            while !self.eat(')') {
                let name = self.name()?;
                self.need(':')?;
                arguments.push((name, self.value()?));
            }
        }
        Ok(arguments)
    }

    fn conditions(&mut self) -> Result<Vec<Condition>, SyntaxError> {
        let mut conditions = Vec::new();
        while self.eat('@') {
            let name = self.name()?;
            let arguments = self.arguments()?;
            if let (true, Some((_, value))) =
                (matches!(name.as_str(), "include" | "skip"), arguments.into_iter().next())
            {
                conditions.push(Condition { includes: name == "include", value });
            }
        }
        Ok(conditions)
    }

    fn value(&mut self) -> Result<Value, SyntaxError> {
        if self.eat('$') {
            return Ok(Value::Variable(self.name()?));
        }
        if self.eat('[') {
            let mut items = Vec::new();
            while !self.eat(']') {
                items.push(self.value()?);
            }
            return Ok(Value::List(items));
        }
        let place = self.place();
        match self.next() {
            Token::Text(text) => Ok(Value::Plain(Json::String(text))),
            Token::Number(text) => serde_json::from_str(&text).map(Value::Plain).map_err(|_| {
                SyntaxError { message: format!("syntax error, bad number \"{text}\""), place }
            }),
            Token::Name(name) => Ok(match name.as_str() {
                "true" => Value::Plain(Json::Bool(true)),
                "false" => Value::Plain(Json::Bool(false)),
                "null" => Value::Plain(Json::Null),
                _ => Value::Enum(name),
            }),
            _ => {
                self.at -= 1;
                Err(self.unexpected())
            }
        }
    }
}

fn tokens(text: &str) -> Result<Vec<(Token, Place)>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    let (mut line, mut column) = (1, 1);
    while let Some(c) = rest.next() {
        let place = Place { line, column };
        column += 1;
        let mut take = |first: char, fits: fn(char) -> bool| {
            let mut word = String::from(first);
            while let Some(c) = rest.next_if(|c| fits(*c)) {
                word.push(c);
            }
            column += word.chars().count() - 1;
            word
        };
        match c {
            '\n' => (line, column) = (line + 1, 1),
            ' ' | '\t' | '\r' | ',' | '\u{feff}' => {}
            '#' => {
                take(c, |c| c != '\n');
            }
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '$' | '!' | '=' | '@' => {
                tokens.push((Token::Mark(c), place));
            }
            '.' => {
                if take(c, |c| c == '.') != "..." {
                    return Err(SyntaxError {
                        message: "syntax error, unexpected \".\"".to_owned(),
                        place,
                    });
                }
                tokens.push((Token::Dots, place));
            }
            '"' => {
                let (mut word, mut is_escaped, mut is_closed) = (String::from('"'), false, false);
                for c in rest.by_ref() {
                    word.push(c);
                    column += 1;
                    match c {
                        '\\' if !is_escaped => is_escaped = true,
                        '"' if !is_escaped => {
                            is_closed = true;
                            break;
                        }
                        _ => is_escaped = false,
                    }
                }
                let text = is_closed.then(|| serde_json::from_str(&word).ok()).flatten();
                let wrong =
                    || SyntaxError { message: "syntax error, bad string".to_owned(), place };
                tokens.push((Token::Text(text.ok_or_else(wrong)?), place));
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                tokens
                    .push((Token::Name(take(c, |c| c.is_ascii_alphanumeric() || c == '_')), place));
            }
            c if c.is_ascii_digit() || c == '-' => {
                tokens.push((
                    Token::Number(take(c, |c| c.is_ascii_digit() || "+-.eE".contains(c))),
                    place,
                ));
            }
            c => {
                let message = format!(
                    "syntax error, unexpected invalid token \"{c}\" at [{line}, {}]",
                    place.column
                );
                return Err(SyntaxError { message, place });
            }
        }
    }
    tokens.push((Token::End, Place { line, column }));
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_with_everything_is_read() {
        let document = parse(
            "#c\nquery Q($n: Int! = 5, $ids: [ID!]!) { a: orders(first: $n, query: \"x:'y' \\\"z\\\"\", sortKey: UPDATED_AT, reverse: true) {\n  nodes { ...F ... on Order @include(if: $x) { id } } } }\nfragment F on Order { id }",
        )
        .unwrap();
        let [operation] = document.operations.as_slice() else { panic!("one operation") };
        assert_eq!(
            operation.variables.iter().map(|v| v.kind.as_str()).collect::<Vec<_>>(),
            ["Int!", "[ID!]!"]
        );
        let [Selection::Field(field)] = operation.selection.as_slice() else { panic!("one field") };
        assert_eq!(
            (field.alias.as_deref(), field.name.as_str(), field.arguments.len()),
            (Some("a"), "orders", 4)
        );
        assert_eq!(field.place, Place { line: 2, column: 39 });
        assert_eq!(document.fragments[0].on, "Order");
    }

    #[test]
    fn a_broken_document_names_the_place() {
        let error = parse("query { orders(first: ) { id } }").unwrap_err();
        assert_eq!(error.message, "syntax error, unexpected \")\" at [1, 23]");
        assert!(parse("{ a").is_err());
        assert!(parse("{ a % }").is_err());
    }
}
