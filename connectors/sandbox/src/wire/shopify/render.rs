//! Writing the selected fields of an order, product or customer, and nothing else.
//!
//! Money is decimal text with trailing zeros cut (`8.8`, `35.0`), counters of orders are text, times
//! are UTC. A nested connection gives its first page; whatever is left has to be asked for.

use crate::world::World;

use super::{
    super::json::{self, Object, cursor, iso, push, trimmed, uncursor},
    nodes::{Field, Node},
    plan::{Item, Variables},
    schema::Of,
};

/// Writes one answer's data, counting the points it came to.
#[derive(Debug)]
pub(super) struct Renderer<'a> {
    pub(super) world: &'a World,
    pub(super) variables: &'a Variables,
    pub(super) cost: u64,
    /// What went wrong inside of the data.
    pub(super) complaint: Option<String>,
}

/// A page of a connection: cursors and nodes, and what lies around it.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) shown: Vec<(String, Node<'a>)>,
    pub(super) has_next: bool,
    pub(super) has_previous: bool,
}

impl<'a> Renderer<'a> {
    /// An object with the selected fields.
    pub(super) fn object(&mut self, out: &mut String, node: Node<'a>, items: &[Item]) {
        // An account is dear to work out; most selections of it want its id alone.
        if let Node::Account(index) = node
            && items
                .iter()
                .any(|item| !matches!(item.name, "id" | "legacyResourceId" | "__typename"))
        {
            match self.world.customer(index) {
                Some(customer) => {
                    let mut inner = Renderer {
                        world: self.world,
                        variables: self.variables,
                        cost: 0,
                        complaint: None,
                    };
                    inner.object(out, Node::Customer(&customer), items);
                    self.cost += inner.cost;
                }
                None => out.push_str("null"),
            }
            return;
        }
        self.cost += 1;
        let mut o = Object::new(out);
        for item in items {
            if item.is_wanted(self.variables) && item.on.is_none_or(|on| on == node.type_name()) {
                self.field(o.key(&item.key), node, item);
            }
        }
    }

    fn field(&mut self, out: &mut String, node: Node<'a>, item: &Item) {
        if item.name == "__typename" {
            return json::text(out, node.type_name());
        }
        match node.field(self.world, item.name) {
            Field::Null => out.push_str("null"),
            Field::Text(text) => json::text(out, text),
            Field::Owned(text) => json::text(out, &text),
            Field::Int(value) => push(out, format_args!("{value}")),
            Field::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Field::Gid(kind, id) => push(out, format_args!("\"gid://shopify/{kind}/{id}\"")),
            Field::Digits(id) => push(out, format_args!("\"{id}\"")),
            Field::Time(at) => json::text(out, &iso(at)),
            Field::Millionths(value) => out.push_str(&json::millionths(value)),
            Field::Cents(cents) => {
                out.push('"');
                trimmed(out, cents);
                out.push('"');
            }
            Field::Price(cents) => json::text(out, &json::two_digits(cents)),
            Field::Texts(texts) => json::list(out, texts, json::text),
            Field::Node(node) => self.object(out, node, &item.items),
            Field::List(nodes) => self.nested(out, nodes, item),
        }
    }

    fn nested(&mut self, out: &mut String, nodes: Vec<Node<'a>>, item: &Item) {
        if let Of::Connection(_) = item.of {
            let rows = self.page(nodes, item);
            return self.connection(out, rows, item);
        }
        // A list is charged like one object, the dearest of its own.
        let before = self.cost;
        let mut dearest = 0;
        let first = item.first(self.variables).and_then(|first| usize::try_from(first).ok());
        json::list(out, nodes.into_iter().take(first.unwrap_or(usize::MAX)), |out, node| {
            let start = self.cost;
            self.object(out, node, &item.items);
            dearest = dearest.max(self.cost - start);
        });
        self.cost = before + dearest;
    }

    /// A page of a list that is all in memory: cursors are positions.
    fn page(&mut self, mut nodes: Vec<Node<'a>>, item: &Item) -> Rows<'a> {
        if item.argument("reverse", self.variables).and_then(|value| value.as_bool()) == Some(true)
        {
            nodes.reverse();
        }
        if item.name == "shippingLines"
            && item.argument("includeRemovals", self.variables).and_then(|value| value.as_bool())
                != Some(true)
        {
            nodes.retain(|node| !node.is_removed());
        }
        if let Some(wanted) = item.argument("namespace", self.variables) {
            nodes.retain(|node| matches!(node, Node::Metafield(field) if wanted.as_str() == Some(field.namespace)));
        }
        let after = item.argument("after", self.variables);
        let skip = match &after {
            None => Some(0),
            Some(after) => after
                .as_str()
                .and_then(uncursor)
                .and_then(|place| place.strip_prefix("place:")?.parse::<usize>().ok()),
        };
        let Some(skip) = skip else {
            self.complaint = Some("Invalid cursor for current pagination sort.".to_owned());
            return Rows { shown: Vec::new(), has_next: false, has_previous: false };
        };
        let first = match item.first(self.variables) {
            Some(first @ 0..=250) => usize::try_from(first).unwrap_or(0),
            Some(_) => {
                self.complaint = Some("first must be at most 250".to_owned());
                0
            }
            None => {
                self.complaint = Some("you must provide one of first or last".to_owned());
                0
            }
        };
        let total = nodes.len();
        let rows = nodes.into_iter().enumerate().skip(skip).take(first);
        let shown = rows.map(|(at, node)| (cursor(&format!("place:{}", at + 1)), node)).collect();
        Rows { shown, has_next: skip + first < total, has_previous: skip > 0 }
    }

    /// A connection's selected parts.
    pub(super) fn connection(&mut self, out: &mut String, page: Rows<'a>, item: &Item) {
        self.cost += 2;
        let mut o = Object::new(out);
        for part in item.items.iter().filter(|part| part.is_wanted(self.variables)) {
            let out = o.key(&part.key);
            match part.name {
                "nodes" => json::list(out, &page.shown, |out, (_, node)| {
                    self.object(out, *node, &part.items);
                }),
                "edges" => json::list(out, &page.shown, |out, (cursor, node)| {
                    let mut o = Object::new(out);
                    for inner in &part.items {
                        match inner.name {
                            "cursor" => json::text(o.key(&inner.key), cursor),
                            "node" => self.object(o.key(&inner.key), *node, &inner.items),
                            _ => {
                                json::text(o.key(&inner.key), &format!("{}Edge", node.type_name()));
                            }
                        }
                    }
                }),
                "pageInfo" => {
                    self.cost += 1;
                    let mut o = Object::new(out);
                    for inner in &part.items {
                        let (first, last) = (page.shown.first(), page.shown.last());
                        match inner.name {
                            "hasNextPage" => o.flag(&inner.key, page.has_next),
                            "hasPreviousPage" => o.flag(&inner.key, page.has_previous),
                            "startCursor" => {
                                o.maybe(&inner.key, first.map(|(cursor, _)| cursor.as_str()))
                            }
                            "endCursor" => {
                                o.maybe(&inner.key, last.map(|(cursor, _)| cursor.as_str()))
                            }
                            _ => o.text(&inner.key, "PageInfo"),
                        };
                    }
                }
                _ => match item.of {
                    Of::Connection(of) => json::text(out, &format!("{}Connection", of.name)),
                    _ => out.push_str("null"),
                },
            }
        }
    }
}
