//! Every query against Shopify's own schema: fields and arguments exist, and the price is legal.
//!
//! The schema is Shopify's published introspection, which lies beside the checkout and is not part
//! of it; where it is absent the test says so and passes.

use std::{collections::BTreeMap, io::Read, path::PathBuf};

use serde_json::Value;

use super::query::{NESTED, ROOTS, SHOP, rest};

/// The most that one query may cost.
const CEILING: u64 = 1000;

/// A selection, its fragments spread.
#[derive(Debug, Clone)]
enum Selection {
    Field { name: String, arguments: Vec<(String, String)>, inside: Vec<Self> },
    Spread(String),
    On(String, Vec<Self>),
}

/// Fragments by name, each with the type it is on.
type Fragments = BTreeMap<String, (String, Vec<Selection>)>;

struct Parser {
    tokens: Vec<String>,
    at: usize,
}

impl Parser {
    fn new(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut word = String::new();
        for letter in text.replace("...", " … ").chars() {
            if letter.is_alphanumeric() || letter == '_' {
                word.push(letter);
                continue;
            }
            if !word.is_empty() {
                tokens.push(std::mem::take(&mut word));
            }
            if !letter.is_whitespace() && letter != ',' {
                tokens.push(letter.to_string());
            }
        }
        Self { tokens, at: 0 }
    }

    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }

    fn take(&mut self, token: &str) {
        assert_eq!(self.next(), token, "at token {} of {:?}", self.at, self.tokens);
    }

    fn selections(&mut self) -> Vec<Selection> {
        self.take("{");
        let mut found = Vec::new();
        while self.peek() != "}" {
            let name = self.next();
            found.push(if name != "…" {
                self.field(name)
            } else if self.peek() == "on" {
                self.next();
                Selection::On(self.next(), self.selections())
            } else {
                Selection::Spread(self.next())
            });
        }
        self.take("}");
        found
    }

    fn field(&mut self, name: String) -> Selection {
        let mut arguments = Vec::new();
        if self.peek() == "(" {
            self.next();
            while self.peek() != ")" {
                let argument = self.next();
                self.take(":");
                let mut value = self.next();
                if value == "$" {
                    value += &self.next();
                }
                arguments.push((argument, value));
            }
            self.take(")");
        }
        let inside = if self.peek() == "{" { self.selections() } else { Vec::new() };
        Selection::Field { name, arguments, inside }
    }

    /// The operation's selections and the fragments by name with their types.
    fn document(&mut self) -> (Vec<Selection>, Fragments) {
        let mut operation = Vec::new();
        let mut fragments = BTreeMap::new();
        while !self.peek().is_empty() {
            match self.next().as_str() {
                "query" => {
                    while self.peek() != "{" {
                        self.next();
                    }
                    operation = self.selections();
                }
                "fragment" => {
                    let name = self.next();
                    self.take("on");
                    let on = self.next();
                    fragments.insert(name, (on, self.selections()));
                }
                other => panic!("unexpected `{other}`"),
            }
        }
        (operation, fragments)
    }
}

struct Schema {
    types: BTreeMap<String, Value>,
}

impl Schema {
    /// The published schema, if it lies beside the checkout.
    fn published() -> Option<Self> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared/specs/sources/shopify/admin_2026-10.json.gz");
        let packed = fs_err::read(path).ok()?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let types = schema["data"]["__schema"]["types"].as_array().unwrap();
        let by_name = |t: &Value| (t["name"].as_str().unwrap().to_owned(), t.clone());
        Some(Self { types: types.iter().map(by_name).collect() })
    }

    fn field(&self, on: &str, name: &str) -> &Value {
        self.types[on]["fields"]
            .as_array()
            .unwrap_or_else(|| panic!("`{on}` has no fields"))
            .iter()
            .find(|field| field["name"] == name)
            .unwrap_or_else(|| panic!("`{on}` has no field `{name}`"))
    }
}

/// The type under lists and non-nulls.
fn bare(of: &Value) -> (&str, &str) {
    match of["ofType"] {
        Value::Null => (of["kind"].as_str().unwrap(), of["name"].as_str().unwrap()),
        _ => bare(&of["ofType"]),
    }
}

struct Check<'a> {
    schema: &'a Schema,
    fragments: Fragments,
    /// What the variable `first` will be.
    first: u64,
}

impl Check<'_> {
    /// What a selection costs on a type; panics when it asks for what does not exist.
    fn cost(&self, on: &str, selections: &[Selection]) -> u64 {
        selections.iter().map(|selection| self.cost_of_one(on, selection)).sum()
    }

    fn cost_of_one(&self, on: &str, selection: &Selection) -> u64 {
        let (name, arguments, inside) = match selection {
            Selection::Spread(name) => {
                let (fragment_on, inside) = &self.fragments[name];
                assert_eq!(fragment_on, on, "fragment `{name}`");
                return self.cost(on, inside);
            }
            Selection::On(narrower, inside) => return self.cost(narrower, inside),
            Selection::Field { name, arguments, inside } => (name, arguments, inside),
        };
        let field = self.schema.field(on, name);
        assert_ne!(field["isDeprecated"], true, "`{on}.{name}` is deprecated");
        for (argument, _) in arguments {
            let known = field["args"].as_array().unwrap().iter().any(|a| a["name"] == *argument);
            assert!(known, "`{on}.{name}` takes no `{argument}`");
        }
        let (kind, of) = bare(&field["type"]);
        if matches!(kind, "SCALAR" | "ENUM") {
            assert!(inside.is_empty(), "`{on}.{name}` is a {kind}");
            return 0;
        }
        assert!(!inside.is_empty(), "`{on}.{name}` needs a selection");
        if !of.ends_with("Connection") {
            return 1 + self.cost(of, inside);
        }
        let first = arguments.iter().find(|(argument, _)| argument == "first");
        let first = match first.map(|(_, value)| value.as_str()) {
            Some("$first") => self.first,
            Some(number) => number.parse().unwrap(),
            None => panic!("`{on}.{name}` needs `first`"),
        };
        let per_part = |part: &Selection| match part {
            Selection::Field { name, .. } if name == "nodes" => first * self.cost_of_one(of, part),
            other => self.cost_of_one(of, other),
        };
        2 + inside.iter().map(per_part).sum::<u64>()
    }
}

fn cost(schema: &Schema, text: &str, first: u32) -> u64 {
    let (operation, fragments) = Parser::new(text).document();
    Check { schema, fragments, first: first.into() }.cost("QueryRoot", &operation)
}

#[test]
fn every_query_is_valid_and_legal() {
    let Some(schema) = Schema::published() else {
        println!("skipped: Shopify's schema does not lie beside the checkout");
        return;
    };
    assert_eq!(cost(&schema, SHOP, 0), 1);
    let walks: Vec<(&str, u64)> =
        ROOTS.iter().map(|root| (root.field, cost(&schema, &root.text(), root.first))).collect();
    // As computed by hand in the module of the queries.
    assert_eq!(walks, [("orders", 967), ("products", 973), ("customers", 803)]);
    for nested in NESTED {
        let cost = cost(&schema, &rest(nested), nested.first);
        assert!(cost <= CEILING, "{}.{}: {cost}", nested.parent, nested.field);
        // A child is told from others by the type in its id, where Shopify gives it one.
        assert!(schema.types.contains_key(nested.gid), "{}", nested.gid);
    }
}

#[test]
#[should_panic(expected = "`Order` has no field `totalPriceSets`")]
fn the_checker_sees_a_field_that_does_not_exist() {
    let Some(schema) = Schema::published() else {
        panic!("`Order` has no field `totalPriceSets` (the schema is absent)");
    };
    let text = super::query::ORDERS.text().replacen("totalPriceSet ", "totalPriceSets ", 1);
    cost(&schema, &text, 4);
}

#[test]
fn the_declared_columns_are_the_fields_asked_for() {
    for (root, stream) in ROOTS.iter().zip(
        ["orders", "products", "customers"]
            .map(|name| super::STREAMS.iter().find(|stream| stream.name == name).unwrap()),
    ) {
        let (operation, fragments) = Parser::new(&root.text()).document();
        let node = find(&operation, "nodes").unwrap();
        compare(stream.record, node, &fragments, stream.name);
    }
}

fn find<'a>(selections: &'a [Selection], wanted: &str) -> Option<&'a [Selection]> {
    selections.iter().find_map(|selection| match selection {
        Selection::Field { name, inside, .. } if name == wanted => Some(inside.as_slice()),
        Selection::Field { inside, .. } => find(inside, wanted),
        _ => None,
    })
}

fn compare(
    record: &crate::kit::record::Record,
    selections: &[Selection],
    fragments: &Fragments,
    path: &str,
) {
    let mut asked: BTreeMap<&str, &[Selection]> = BTreeMap::new();
    for selection in selections {
        match selection {
            Selection::Field { name, inside, .. } => {
                asked.insert(name, inside);
            }
            Selection::Spread(fragment) => {
                return compare(record, &fragments[fragment].1, fragments, path);
            }
            Selection::On(..) => panic!("unexpected inline fragment at {path}"),
        }
    }
    let mut declared: Vec<&str> = record.fields.iter().map(|field| field.name).collect();
    declared.sort_unstable();
    assert_eq!(declared, asked.keys().copied().collect::<Vec<_>>(), "at {path}");
    for field in record.fields {
        let path = format!("{path}.{}", field.name);
        compare_kind(&field.kind, asked[field.name], fragments, &path);
    }
}

fn compare_kind(
    kind: &crate::kit::record::Kind,
    inside: &[Selection],
    fragments: &Fragments,
    path: &str,
) {
    use crate::kit::record::Kind;
    match kind {
        Kind::Struct(record) => compare(record, inside, fragments, path),
        Kind::List(item) => compare_kind(item, inside, fragments, path),
        Kind::Connection(item) => {
            compare_kind(item, find(inside, "nodes").unwrap(), fragments, path);
        }
        _ => assert!(inside.is_empty(), "{path} is declared as a scalar"),
    }
}
