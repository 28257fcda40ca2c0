//! Lineage as a picture: Graphviz or Mermaid.
//!
//! Nodes have numbers for names and their own names as quoted labels, so that no name can break
//! the picture. What only decides is dashed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use warehouse::lineage::{Class, Link, Node, Walk};

use super::words;

/// Nodes by table, each with the number it is drawn under.
fn numbered(walk: &Walk) -> (BTreeMap<&Node, usize>, BTreeMap<&str, Vec<&Node>>) {
    let numbers: BTreeMap<&Node, usize> =
        walk.nodes.keys().enumerate().map(|(number, node)| (node, number)).collect();
    let mut tables: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in walk.nodes.keys() {
        tables.entry(node.table()).or_default().push(node);
    }
    (numbers, tables)
}

fn decides(link: &Link) -> bool {
    let classes: BTreeSet<&Class> = link.classes.keys().collect();
    !classes.iter().any(|class| class.is_direct())
}

fn label(node: &Node) -> String {
    match node {
        Node::Table(name) => name.clone(),
        Node::Place(source) => source.field(),
    }
}

pub(super) fn dot(walk: &Walk) -> String {
    let quoted = |text: &str| {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("\"{text}\"")
    };
    let (numbers, tables) = numbered(walk);
    let mut text = String::from(
        "digraph lineage {\n    rankdir=LR;\n    graph [fontname=\"Helvetica\"];\n    \
         node [shape=box, style=rounded, fontname=\"Helvetica\"];\n    \
         edge [fontname=\"Helvetica\", fontsize=10];\n",
    );
    for (index, (table, nodes)) in tables.iter().enumerate() {
        let is_group = nodes.iter().any(|node| matches!(node, Node::Place(_)));
        if is_group {
            let name = quoted(table);
            let _written = write!(text, "    subgraph cluster_{index} {{\n        label={name};\n");
        }
        for node in nodes {
            let number = numbers.get(node).copied().unwrap_or_default();
            let indent = if is_group { "        " } else { "    " };
            let _written = writeln!(text, "{indent}n{number} [label={}];", quoted(&label(node)));
        }
        if is_group {
            text.push_str("    }\n");
        }
    }
    for link in &walk.links {
        let (Some(from), Some(to)) = (numbers.get(&link.from), numbers.get(&link.to)) else {
            continue;
        };
        let style = if decides(link) { ", style=dashed" } else { "" };
        let words = quoted(&words(link));
        let _written = writeln!(text, "    n{from} -> n{to} [label={words}{style}];");
    }
    text.push_str("}\n");
    text
}

pub(super) fn mermaid(walk: &Walk) -> String {
    // Inside quotes, Mermaid knows characters by `#name;` and `#number;`.
    let quoted = |text: &str| {
        let mut out = String::from("\"");
        for letter in text.chars() {
            match letter {
                '"' => out.push_str("#quot;"),
                '#' | '<' | '>' | '&' | '`' | '\\' | '\n' | '\r' | ';' => {
                    let _written = write!(out, "#{};", u32::from(letter));
                }
                other => out.push(other),
            }
        }
        out.push('"');
        out
    };
    let (numbers, tables) = numbered(walk);
    let mut text = String::from("flowchart LR\n");
    for (index, (table, nodes)) in tables.iter().enumerate() {
        let is_group = nodes.iter().any(|node| matches!(node, Node::Place(_)));
        if is_group {
            let _written = writeln!(text, "    subgraph t{index}[{}]", quoted(table));
        }
        for node in nodes {
            let number = numbers.get(node).copied().unwrap_or_default();
            let indent = if is_group { "        " } else { "    " };
            let _written = writeln!(text, "{indent}n{number}[{}]", quoted(&label(node)));
        }
        if is_group {
            text.push_str("    end\n");
        }
    }
    for link in &walk.links {
        let (Some(from), Some(to)) = (numbers.get(&link.from), numbers.get(&link.to)) else {
            continue;
        };
        let arrow = if decides(link) { "-.->" } else { "-->" };
        let _written = writeln!(text, "    n{from} {arrow}|{}| n{to}", quoted(&words(link)));
    }
    text
}
