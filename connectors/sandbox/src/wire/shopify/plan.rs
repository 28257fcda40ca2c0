//! A query made ready: names checked against the schema, fragments laid out, arguments left to be filled.
//!
//! It is made once for each query text and kept; a request only brings variables. The price is
//! Shopify's documented rule: an object 1 point, a scalar 0, a connection 2 and its page size times
//! the price of a node.

use serde_json::{Map, Value as Json};

use super::{
    graphql::{Condition, Document, Field, Operation, Place, Selection, Value},
    schema::{NODES, Of, PAGE_INFO, QUERY, Type},
};

/// A whole operation.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) variables: Vec<Declared>,
    pub(super) roots: Vec<Item>,
}

/// A declared variable.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) default: Option<Value>,
}

/// A selected field.
#[derive(Debug)]
pub(super) struct Item {
    /// Its name in the answer.
    pub(super) key: String,
    pub(super) name: &'static str,
    pub(super) of: Of,
    /// Only for objects of this type.
    pub(super) on: Option<&'static str>,
    pub(super) arguments: Vec<(String, Value)>,
    pub(super) conditions: Vec<Condition>,
    pub(super) items: Vec<Self>,
    pub(super) place: Place,
}

/// What a query got wrong, with its `extensions` as pairs of names and texts.
#[derive(Debug)]
pub(super) struct QueryError {
    pub(super) message: String,
    pub(super) place: Place,
    pub(super) path: Vec<String>,
    pub(super) extensions: Vec<(&'static str, String)>,
}

/// Variables as sent, defaults filled in.
pub(super) type Variables = Map<String, Json>;

/// Where the layout stands: the words so far and what is known of the whole.
struct Builder<'a> {
    document: &'a Document,
    declared: Vec<&'a str>,
    used: Vec<String>,
    errors: Vec<QueryError>,
    path: Vec<String>,
    depth: usize,
}

/// Checks an operation and lays it out.
pub(super) fn compile(document: &Document, operation: &Operation) -> Result<Plan, Vec<QueryError>> {
    let title = match &operation.name {
        Some(name) => format!("{} {name}", operation.kind),
        None => operation.kind.clone(),
    };
    let mut builder = Builder {
        document,
        declared: operation.variables.iter().map(|variable| variable.name.as_str()).collect(),
        used: Vec::new(),
        errors: Vec::new(),
        path: vec![title.clone()],
        depth: 0,
    };
    let mut roots = Vec::new();
    builder.lay(&operation.selection, Parent::Type(&QUERY), None, &[], &mut roots);
    let Builder { used, mut errors, .. } = builder;
    for variable in operation.variables.iter().filter(|variable| !used.contains(&variable.name)) {
        let name = operation.name.as_deref().unwrap_or("anonymous query");
        errors.push(QueryError {
            message: format!("Variable ${} is declared by {name} but not used", variable.name),
            place: Place { line: 1, column: 1 },
            path: vec![title.clone()],
            extensions: vec![
                ("code", "variableNotUsed".to_owned()),
                ("variableName", variable.name.clone()),
            ],
        });
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let variables = operation.variables.iter().map(|variable| Declared {
        name: variable.name.clone(),
        kind: variable.kind.clone(),
        default: variable.default.clone(),
    });
    Ok(Plan { variables: variables.collect(), roots })
}

/// What a selection is made on.
#[derive(Clone, Copy)]
enum Parent {
    Type(&'static Type),
    Connection(&'static Type),
    Edge(&'static Type),
    /// The `Node` interface.
    Node,
}

impl Parent {
    fn name(self) -> String {
        match self {
            Self::Type(of) => of.name.to_owned(),
            Self::Connection(of) => format!("{}Connection", of.name),
            Self::Edge(of) => format!("{}Edge", of.name),
            Self::Node => "Node".to_owned(),
        }
    }

    fn field(self, name: &str) -> Option<(&'static str, Of, &'static [&'static str])> {
        match (self, name) {
            (_, "__typename") => Some(("__typename", Of::Leaf, &[])),
            (Self::Type(of), name) => of.field(name).map(|def| (def.name, def.of, def.arguments)),
            (Self::Connection(of), "nodes") => Some(("nodes", Of::List(of), &[])),
            (Self::Connection(of), "edges") => Some(("edges", Of::List(of), &[])),
            (Self::Connection(_), "pageInfo") => Some(("pageInfo", Of::Object(&PAGE_INFO), &[])),
            (Self::Edge(_), "cursor") => Some(("cursor", Of::Leaf, &[])),
            (Self::Edge(of), "node") => Some(("node", Of::Object(of), &[])),
            (Self::Node, "id") => Some(("id", Of::Leaf, &[])),
            _ => None,
        }
    }
}

impl Builder<'_> {
    fn fail(
        &mut self,
        message: String,
        place: Place,
        last: Option<&str>,
        extensions: Vec<(&'static str, String)>,
    ) {
        let mut path = self.path.clone();
        path.extend(last.map(str::to_owned));
        self.errors.push(QueryError { message, place, path, extensions });
    }

    fn lay(
        &mut self,
        selection: &[Selection],
        parent: Parent,
        on: Option<&'static str>,
        conditions: &[Condition],
        items: &mut Vec<Item>,
    ) {
        self.depth += 1;
        if self.depth > 40 {
            self.depth -= 1;
            return;
        }
        for selected in selection {
            match selected {
                Selection::Field(field) => self.field(field, parent, on, conditions, items),
                Selection::Spread { name, conditions: own, place } => {
                    let document = self.document;
                    let Some(fragment) =
                        document.fragments.iter().find(|fragment| fragment.name == *name)
                    else {
                        let message = format!("Fragment {name} was used, but not defined");
                        let code = vec![
                            ("code", "useAndDefineFragment".to_owned()),
                            ("fragmentName", name.clone()),
                        ];
                        self.fail(message, *place, Some(&format!("... {name}")), code);
                        continue;
                    };
                    let conditions = [conditions, own].concat();
                    self.inline(
                        &fragment.selection,
                        Some(&fragment.on),
                        *place,
                        parent,
                        on,
                        &conditions,
                        items,
                    );
                }
                Selection::Inline { on: wanted, conditions: own, selection, place } => {
                    let conditions = [conditions, own].concat();
                    self.inline(
                        selection,
                        wanted.as_deref(),
                        *place,
                        parent,
                        on,
                        &conditions,
                        items,
                    );
                }
            }
        }
        self.depth -= 1;
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one step of a walk")]
    fn inline(
        &mut self,
        selection: &[Selection],
        wanted: Option<&str>,
        place: Place,
        parent: Parent,
        on: Option<&'static str>,
        conditions: &[Condition],
        items: &mut Vec<Item>,
    ) {
        self.note_conditions(conditions, place);
        let Some(wanted) = wanted.filter(|wanted| *wanted != parent.name()) else {
            return self.lay(selection, parent, on, conditions, items);
        };
        let found = NODES.into_iter().find(|of| of.name == wanted);
        match (parent, found) {
            (Parent::Node, Some(of)) => {
                self.lay(selection, Parent::Type(of), Some(of.name), conditions, items);
            }
            (Parent::Type(_), _) if wanted == "Node" => {
                self.lay(selection, parent, on, conditions, items);
            }
            _ => {
                let message =
                    format!("Fragment on {wanted} can't be spread inside {}", parent.name());
                let code = vec![
                    ("code", "cannotSpreadFragment".to_owned()),
                    ("typeName", wanted.to_owned()),
                    ("parentName", parent.name()),
                ];
                self.fail(message, place, None, code);
            }
        }
    }

    fn note_conditions(&mut self, conditions: &[Condition], place: Place) {
        for condition in conditions {
            self.note(&condition.value, place);
        }
    }

    /// Remembers which variables are used, and that they are declared.
    fn note(&mut self, value: &Value, place: Place) {
        match value {
            Value::Variable(name) => {
                if !self.declared.contains(&name.as_str()) {
                    let message = format!(
                        "Variable ${name} is used by {} but not declared",
                        self.path.first().map_or("", String::as_str)
                    );
                    self.fail(
                        message,
                        place,
                        None,
                        vec![
                            ("code", "variableNotDefined".to_owned()),
                            ("variableName", name.clone()),
                        ],
                    );
                }
                self.used.push(name.clone());
            }
            Value::List(items) => items.iter().for_each(|item| self.note(item, place)),
            Value::Enum(_) | Value::Plain(_) => {}
        }
    }

    fn field(
        &mut self,
        field: &Field,
        parent: Parent,
        on: Option<&'static str>,
        conditions: &[Condition],
        items: &mut Vec<Item>,
    ) {
        let conditions = [conditions, &field.conditions].concat();
        self.note_conditions(&conditions, field.place);
        let type_name = parent.name();
        let Some((name, of, arguments)) = parent.field(&field.name) else {
            let message = format!("Field '{}' doesn't exist on type '{type_name}'", field.name);
            let code = vec![
                ("code", "undefinedField".to_owned()),
                ("typeName", type_name),
                ("fieldName", field.name.clone()),
            ];
            return self.fail(message, field.place, Some(&field.name), code);
        };
        for (argument, value) in &field.arguments {
            self.note(value, field.place);
            if !arguments.contains(&argument.as_str()) {
                let message = format!("Field '{name}' doesn't accept argument '{argument}'");
                let code = vec![
                    ("code", "argumentNotAccepted".to_owned()),
                    ("name", name.to_owned()),
                    ("typeName", "Field".to_owned()),
                    ("argumentName", argument.clone()),
                ];
                self.fail(message, field.place, Some(name), code);
            }
        }
        let below = match (parent, name, of) {
            (_, _, Of::Leaf) => None,
            (Parent::Connection(of), "edges", _) => Some(Parent::Edge(of)),
            (_, _, Of::Object(of) | Of::List(of)) => Some(Parent::Type(of)),
            (_, _, Of::Connection(of)) => Some(Parent::Connection(of)),
            (_, _, Of::Node | Of::Nodes) => Some(Parent::Node),
        };
        if below.is_some() == field.selection.is_empty() {
            let message = match below {
                Some(below) => format!(
                    "Field must have selections (field '{name}' returns {} but has no selections. Did you mean '{name} {{ ... }}'?)",
                    below.name()
                ),
                None => format!(
                    "Selections can't be made on scalars (field '{name}' returns a scalar but has selections)"
                ),
            };
            let code = vec![
                ("code", "selectionMismatch".to_owned()),
                ("nodeName", format!("field '{name}'")),
            ];
            return self.fail(message, field.place, Some(name), code);
        }
        let key = field.alias.clone().unwrap_or_else(|| field.name.clone());
        let mut below_items = Vec::new();
        if let Some(below) = below {
            self.path.push(key.clone());
            self.lay(&field.selection, below, None, &[], &mut below_items);
            self.path.pop();
        }
        // A field selected twice is one field with both selections.
        if let Some(known) =
            items.iter_mut().find(|item| item.key == key && item.on == on && item.name == name)
        {
            merge(&mut known.items, below_items);
            return;
        }
        items.push(Item {
            key,
            name,
            of,
            on,
            arguments: field.arguments.clone(),
            conditions,
            items: below_items,
            place: field.place,
        });
    }
}

fn merge(into: &mut Vec<Item>, from: Vec<Item>) {
    for item in from {
        match into.iter_mut().find(|known| known.key == item.key && known.on == item.on) {
            Some(known) => merge(&mut known.items, item.items),
            None => into.push(item),
        }
    }
}

impl Item {
    /// An argument with its variables filled in; `None` when absent or null.
    pub(super) fn argument(&self, name: &str, variables: &Variables) -> Option<Json> {
        let (_, value) = self.arguments.iter().find(|(known, _)| known == name)?;
        Some(filled(value, variables)).filter(|value| !value.is_null())
    }

    /// The page size asked for.
    pub(super) fn first(&self, variables: &Variables) -> Option<u64> {
        self.argument("first", variables)?.as_u64()
    }

    /// Whether the directives let it through.
    pub(super) fn is_wanted(&self, variables: &Variables) -> bool {
        self.conditions.iter().all(|condition| {
            filled(&condition.value, variables).as_bool().unwrap_or(false) == condition.includes
        })
    }

    /// What it costs at most.
    pub(super) fn cost(&self, variables: &Variables) -> u64 {
        if !self.is_wanted(variables) {
            return 0;
        }
        match self.of {
            Of::Leaf => 0,
            Of::Object(_) | Of::List(_) => 1 + costs(&self.items, variables),
            Of::Node => 1 + self.node_cost(variables),
            Of::Nodes => {
                let ids =
                    self.argument("ids", variables).and_then(|ids| ids.as_array().map(Vec::len));
                u64::try_from(ids.unwrap_or(0)).unwrap_or(0) * (1 + self.node_cost(variables))
            }
            Of::Connection(_) => {
                let page = self.items.iter().filter(|item| item.is_wanted(variables));
                let mut cost = 2;
                for item in page {
                    cost += match item.name {
                        "pageInfo" => 1,
                        "nodes" => {
                            self.first(variables).unwrap_or(0) * (1 + costs(&item.items, variables))
                        }
                        _ => {
                            self.first(variables).unwrap_or(0)
                                * costs(&item.items, variables).max(1)
                        }
                    };
                }
                cost
            }
        }
    }

    /// The dearest of the types that a node may turn out to be.
    fn node_cost(&self, variables: &Variables) -> u64 {
        let of = |on: Option<&str>| {
            let items = self.items.iter().filter(|item| item.on == on);
            items.map(|item| item.cost(variables)).sum::<u64>()
        };
        of(None) + NODES.into_iter().map(|node| of(Some(node.name))).max().unwrap_or(0)
    }
}

pub(super) fn costs(items: &[Item], variables: &Variables) -> u64 {
    items.iter().map(|item| item.cost(variables)).sum()
}

pub(super) fn filled(value: &Value, variables: &Variables) -> Json {
    match value {
        Value::Variable(name) => variables.get(name).cloned().unwrap_or(Json::Null),
        Value::Enum(name) => Json::String(name.clone()),
        Value::List(items) => {
            Json::Array(items.iter().map(|item| filled(item, variables)).collect())
        }
        Value::Plain(json) => json.clone(),
    }
}
