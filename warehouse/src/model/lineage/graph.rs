//! Walking the lineage: from a table, a column or a field, to what it comes from and into what it
//! goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::edge::{Class, ELEMENT, Edge, Source};
use super::{Lineage, TableLineage};
use crate::model::finding::did_you_mean;
use crate::{Error, Result};

/// What can be asked about: a whole table, or a place in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A model or raw table, with all of its columns and rows.
    Table(String),
    /// A column, a field in it, or the rows of a table.
    Place(Source),
}

impl Node {
    /// The table it is, or is in.
    pub fn table(&self) -> &str {
        match self {
            Self::Table(name) => name,
            Self::Place(source) => &source.table,
        }
    }
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table(name) => f.write_str(name),
            Self::Place(source) => source.fmt(f),
        }
    }
}

/// Up is where it comes from, down is where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the sources.
    Up,
    /// To the readers.
    Down,
}

/// A step from one node to another, and how many columns take it in which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where the data comes from.
    pub from: Node,
    /// Where it goes.
    pub to: Node,
    /// Between places every class counts once; between tables, columns of `to` are counted, and
    /// rows once.
    pub classes: BTreeMap<Class, usize>,
}

/// What was reached from a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// Every node, with its distance: negative above, positive below.
    pub nodes: BTreeMap<Node, i64>,
    /// Every step between them.
    pub links: Vec<Link>,
}

impl Lineage {
    /// The models in order, each after those it reads.
    pub fn models(&self) -> impl Iterator<Item = &TableLineage> {
        self.order.iter().filter_map(|name| self.tables.get(name))
    }

    /// The model or raw table of that name.
    pub fn table(&self, name: &str) -> Option<&TableLineage> {
        self.tables.get(name)
    }

    /// Models and raw tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &TableLineage> {
        self.tables.values()
    }

    /// The models that do not plan, and those that read them.
    pub fn unplanned(&self) -> &[String] {
        &self.unplanned
    }

    /// What `text` names: `model`, `model.column`, `raw.source.stream.column.field`.
    ///
    /// Fails with [`Error::UnknownModel`] and [`Error::UnknownColumn`], with what was probably
    /// meant.
    pub fn find(&self, text: &str) -> Result<Node> {
        let mut parts = text.split('.');
        let first = parts.next().unwrap_or_default();
        let rest = text.strip_prefix(first).unwrap_or_default();
        let (name, mut rest) = if first == "raw" {
            let two: Vec<&str> = parts.by_ref().take(2).collect();
            (format!("raw.{}", two.join(".")), parts.collect::<Vec<_>>())
        } else {
            (first.to_owned(), rest.split('.').skip(1).collect())
        };
        let Some(table) = self.tables.get(&name) else {
            let hint = did_you_mean(&name, self.tables.keys().map(String::as_str));
            return Err(Error::UnknownModel { name, hint });
        };
        if rest.is_empty() {
            return Ok(Node::Table(name));
        }
        let column = rest.remove(0);
        let unlisted = column.trim_end_matches(ELEMENT);
        let Some(known) = table.column(unlisted) else {
            let hint = did_you_mean(unlisted, table.columns.iter().map(|c| c.name.as_str()));
            return Err(Error::UnknownColumn { table: name, column: column.to_owned(), hint });
        };
        let mut path: Vec<Arc<str>> = Vec::new();
        for part in std::iter::once(column).chain(rest) {
            let field = part.trim_end_matches(ELEMENT);
            path.push(field.into());
            let depth = (part.len() - field.len()) / ELEMENT.len();
            path.extend(std::iter::repeat_n(Arc::from(ELEMENT), depth));
        }
        let source = Source::column(&name, unlisted).inside(path.get(1..).unwrap_or_default());
        if super::edge::reaches(&known.data_type, &source.path) {
            Ok(Node::Place(source))
        } else {
            let hint = Some(format!("`{unlisted}` is {}", known.type_name()));
            Err(Error::UnknownColumn { table: name, column: source.field(), hint })
        }
    }

    /// One step from a node.
    pub fn step(&self, node: &Node, direction: Direction) -> Vec<Link> {
        match (node, direction) {
            (Node::Table(name), Direction::Up) => {
                let Some(table) = self.tables.get(name) else { return Vec::new() };
                table.inputs.iter().map(|input| between(input, table)).collect()
            }
            (Node::Table(name), Direction::Down) => {
                let readers = self.models().filter(|table| table.inputs.contains(name));
                readers.map(|table| between(name, table)).collect()
            }
            (Node::Place(source), Direction::Up) => self.sources(source),
            (Node::Place(source), Direction::Down) => self.readers(source),
        }
    }

    /// All that is reached in at most `depth` steps up, down or both.
    pub fn walk(&self, start: &Node, directions: &[Direction], depth: Option<usize>) -> Walk {
        let mut nodes: BTreeMap<Node, i64> = BTreeMap::from([(start.clone(), 0)]);
        let mut links: BTreeMap<(Node, Node), Link> = BTreeMap::new();
        for direction in directions {
            let mut open: VecDeque<(Node, usize)> = VecDeque::from([(start.clone(), 0)]);
            let mut seen: BTreeSet<Node> = BTreeSet::from([start.clone()]);
            while let Some((node, distance)) = open.pop_front() {
                if depth.is_some_and(|depth| distance >= depth) {
                    continue;
                }
                for link in self.step(&node, *direction) {
                    let (next, sign) = match direction {
                        Direction::Up => (link.from.clone(), -1),
                        Direction::Down => (link.to.clone(), 1),
                    };
                    let away = i64::try_from(distance + 1).unwrap_or(i64::MAX) * sign;
                    nodes.entry(next.clone()).or_insert(away);
                    links.insert((link.from.clone(), link.to.clone()), link);
                    if seen.insert(next.clone()) {
                        open.push_back((next, distance + 1));
                    }
                }
            }
        }
        Walk { nodes, links: links.into_values().collect() }
    }

    fn sources(&self, place: &Source) -> Vec<Link> {
        let Some(table) = self.tables.get(&*place.table) else { return Vec::new() };
        let edges = match &place.column {
            None => table.rows.iter().collect::<Vec<_>>(),
            Some(name) => table.column(name).map(|c| c.edges.iter().collect()).unwrap_or_default(),
        };
        let mut found: BTreeMap<Source, BTreeMap<Class, usize>> = BTreeMap::new();
        for Edge { source, class } in edges {
            // A copy of a struct has its fields in the same places.
            let source = match class {
                Class::Copy => source.clone().inside(&place.path),
                _ => source.clone(),
            };
            found.entry(source).or_default().insert(*class, 1);
        }
        let to = Node::Place(place.clone());
        let link = |(source, classes)| Link { from: Node::Place(source), to: to.clone(), classes };
        found.into_iter().map(link).collect()
    }

    fn readers(&self, place: &Source) -> Vec<Link> {
        if place.column.is_none() {
            // What decides about the rows of a table ends here: it touches all of its columns.
            return Vec::new();
        }
        let mut found: BTreeMap<Source, BTreeMap<Class, usize>> = BTreeMap::new();
        for table in self.models().filter(|table| table.inputs.contains(&*place.table)) {
            for column in &table.columns {
                for edge in &column.edges {
                    let Some(rest) = overlap(&edge.source, place) else { continue };
                    let path = if edge.class == Class::Copy { rest } else { &[] };
                    let reader = Source::column(&table.name, &column.name).inside(path);
                    found.entry(reader).or_default().insert(edge.class, 1);
                }
            }
            for edge in &table.rows {
                if overlap(&edge.source, place).is_some() {
                    let reader = Source::rows(&table.name);
                    found.entry(reader).or_default().insert(edge.class, 1);
                }
            }
        }
        let from = Node::Place(place.clone());
        let link =
            |(source, classes)| Link { from: from.clone(), to: Node::Place(source), classes };
        found.into_iter().map(link).collect()
    }
}

/// The step from one table to another that reads it.
fn between(from: &str, to: &TableLineage) -> Link {
    let mut classes: BTreeMap<Class, usize> = BTreeMap::new();
    for column in &to.columns {
        let own: BTreeSet<Class> = of(&column.edges, from).map(|edge| edge.class).collect();
        for class in own {
            *classes.entry(class).or_default() += 1;
        }
    }
    let rows: BTreeSet<Class> = of(&to.rows, from).map(|edge| edge.class).collect();
    for class in rows {
        *classes.entry(class).or_default() += 1;
    }
    Link { from: Node::Table(from.to_owned()), to: Node::Table(to.name.clone()), classes }
}

fn of<'a>(edges: &'a super::Edges, table: &str) -> impl Iterator<Item = &'a Edge> {
    edges.iter().filter(move |edge| &*edge.source.table == table)
}

/// Whether one place is in the other; and how much deeper `asked` is than `read`.
fn overlap<'a>(read: &Source, asked: &'a Source) -> Option<&'a [Arc<str>]> {
    if read.table != asked.table || read.column != asked.column {
        return None;
    }
    let shared = read.path.iter().zip(&asked.path).all(|(a, b)| a == b);
    shared.then(|| asked.path.get(read.path.len()..).unwrap_or_default())
}
