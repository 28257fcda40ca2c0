//! Lineage in the forms that people and programs read.
//!
//! All forms show one walk: what was reached from a table, a column or a field. What decides about
//! rows belongs to a whole table, so it is shown at the table that was asked about, and as
//! `(rows)` of those that it leads to.

mod diagram;
mod openlineage;
mod pull_request;
pub mod revision;
mod tree;

use clap::ValueEnum;
use serde_json::{Value, json};
use warehouse::{
    Project,
    lineage::{Direction, Edge, Lineage, Link, Node, Source, Walk},
};

pub use openlineage::events;
pub use pull_request::{machine, markdown};

/// How lineage is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A tree for people
    Text,
    /// Nodes and links
    Json,
    /// Graphviz
    Dot,
    /// A Mermaid flowchart, as Markdown viewers draw it
    Mermaid,
    /// OpenLineage: one event a model, one a line
    Openlineage,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The models, for their kinds and descriptions.
    pub project: &'a Project,
    /// Their lineage.
    pub lineage: &'a Lineage,
    /// From where.
    pub node: Node,
    /// Up, down or both.
    pub directions: Vec<Direction>,
    /// In so many steps; all of them without.
    pub depth: Option<usize>,
}

impl Question<'_> {
    fn walk(&self) -> Walk {
        self.lineage.walk(&self.node, &self.directions, self.depth)
    }

    /// What decides which rows there are in the table that was asked about.
    fn rows(&self) -> Vec<&Edge> {
        let goes_up = self.directions.contains(&Direction::Up);
        let table = self.lineage.table(self.node.table()).filter(|_| goes_up);
        let mut rows: Vec<&Edge> = table.iter().flat_map(|table| &table.rows).collect();
        rows.sort_by(|a, b| (a.class, &a.source).cmp(&(b.class, &b.source)));
        rows
    }

    /// The answer as a tree, a Graphviz digraph or a Mermaid flowchart.
    pub fn text(&self, format: Format) -> String {
        match format {
            Format::Dot => diagram::dot(&self.walk()),
            Format::Mermaid => diagram::mermaid(&self.walk()),
            _ => tree::render(self),
        }
    }

    /// The answer for machines.
    pub fn machine(&self) -> Value {
        let walk = self.walk();
        let nodes = walk.nodes.iter().map(|(node, away)| {
            let mut value = named(node);
            if let (Some(map), Some(table)) =
                (value.as_object_mut(), self.lineage.table(node.table()))
            {
                map.insert("layer".to_owned(), table.layer.folder().into());
                map.insert("distance".to_owned(), (*away).into());
            }
            value
        });
        let links = walk.links.iter().map(|link| {
            json!({ "from": named(&link.from), "to": named(&link.to), "classes": classes(link) })
        });
        let rows = self
            .rows()
            .into_iter()
            .map(|edge| json!({ "from": placed(&edge.source), "class": edge.class.as_str() }));
        json!({
            "asked": named(&self.node),
            "nodes": nodes.collect::<Vec<_>>(),
            "links": links.collect::<Vec<_>>(),
            "rows": rows.collect::<Vec<_>>(),
        })
    }
}

fn named(node: &Node) -> Value {
    match node {
        Node::Table(name) => json!({ "table": name }),
        Node::Place(source) => placed(source),
    }
}

fn placed(source: &Source) -> Value {
    match &source.column {
        None => json!({ "table": &*source.table, "rows": true }),
        Some(column) => {
            let path: Vec<&str> = source.path.iter().map(AsRef::as_ref).collect();
            json!({ "table": &*source.table, "column": &**column, "path": path })
        }
    }
}

fn classes(link: &Link) -> Vec<&'static str> {
    link.classes.keys().map(|class| class.as_str()).collect()
}

/// `copy 12, transform 3, join key`: between tables the columns are counted whose value flows.
fn words(link: &Link) -> String {
    let is_counted = matches!(link.to, Node::Table(_));
    let mut words = Vec::new();
    for (class, count) in &link.classes {
        if is_counted && class.is_direct() {
            words.push(format!("{class} {count}"));
        } else {
            words.push(class.to_string());
        }
    }
    if words.is_empty() { "its rows only".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests;
