//! Lineage as a tree of text. What was shown above is named again, but not unfolded again.

use std::{collections::BTreeSet, fmt::Write as _};

use warehouse::lineage::{Direction, Node};

use super::{Question, words};
use crate::quantity::counted;

pub(super) fn render(question: &Question<'_>) -> String {
    let mut text = format!("{}  {}\n", question.node, title(question));
    for direction in &question.directions {
        let mut tree =
            Tree { question, direction: *direction, seen: BTreeSet::new(), lines: vec![] };
        tree.unfold(&question.node, "", 0);
        let (head, none) = match direction {
            Direction::Up => ("comes from", "nothing: it is a literal"),
            Direction::Down => ("goes into", "nothing"),
        };
        let none = if question.node.table().starts_with("raw.") && *direction == Direction::Up {
            "a vendor"
        } else {
            none
        };
        let lines = if tree.lines.is_empty() { vec![none.to_owned()] } else { tree.lines };
        let _written = write!(text, "\n{head}\n{}\n", lines.join("\n"));
        if *direction == Direction::Up {
            rows(question, &mut text);
        }
    }
    text
}

fn title(question: &Question<'_>) -> String {
    let Some(table) = question.lineage.table(question.node.table()) else { return String::new() };
    match &question.node {
        Node::Table(name) => {
            let count = u64::try_from(table.columns.len()).unwrap_or(u64::MAX);
            let kind = question.project.model(name).map(|model| model.header.kind.as_str());
            let parts = [Some(table.layer.folder().to_owned()), kind.map(ToOwned::to_owned)];
            let parts = parts.into_iter().flatten().chain([counted(count, "column")]);
            parts.collect::<Vec<_>>().join(", ")
        }
        Node::Place(source) => {
            let name = source.column.as_deref().unwrap_or_default();
            let column = table.column(name).filter(|_| source.path.is_empty());
            column.map(warehouse::lineage::ColumnLineage::type_name).unwrap_or_default()
        }
    }
}

/// What decides about the rows of the table that was asked about.
fn rows(question: &Question<'_>, text: &mut String) {
    let rows = question.rows();
    if rows.is_empty() {
        return;
    }
    let table = question.node.table();
    let _written = writeln!(text, "\nwhich rows `{table}` has is decided by");
    let mut last = None;
    for edge in rows {
        if last == Some(edge.class) {
            let _written = write!(text, ", {}", edge.source);
        } else {
            let end = if last.is_some() { "\n" } else { "" };
            let _written = write!(text, "{end}  {}: {}", edge.class, edge.source);
        }
        last = Some(edge.class);
    }
    text.push('\n');
}

struct Tree<'a> {
    question: &'a Question<'a>,
    direction: Direction,
    seen: BTreeSet<Node>,
    lines: Vec<String>,
}

impl Tree<'_> {
    fn unfold(&mut self, node: &Node, indent: &str, distance: usize) {
        if self.question.depth.is_some_and(|depth| distance >= depth) {
            return;
        }
        let links = self.question.lineage.step(node, self.direction);
        for (index, link) in links.iter().enumerate() {
            let next = match self.direction {
                Direction::Up => &link.from,
                Direction::Down => &link.to,
            };
            let (branch, below) =
                if index + 1 == links.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let is_new = self.seen.insert(next.clone());
            let is_last = self.question.depth.is_some_and(|depth| distance + 1 >= depth)
                || self.question.lineage.step(next, self.direction).is_empty();
            let again = if is_new || is_last { "" } else { "  (see above)" };
            self.lines.push(format!("{indent}{branch}{next}  {}{again}", words(link)));
            if is_new {
                self.unfold(next, &format!("{indent}{below}"), distance + 1);
            }
        }
    }
}
