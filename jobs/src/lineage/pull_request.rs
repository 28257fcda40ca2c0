//! The difference of two versions of the models, as Markdown for a pull request and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};
use warehouse::{
    Project,
    lineage::{ColumnChange, Edges, ModelChange, ProjectDiff},
};

/// Names in a cell of the table; who wants all of them takes `--json`.
const NAMES: usize = 6;

/// A heading, a table of what differs, what is felt downstream, and the exports among it.
pub fn markdown(diff: &ProjectDiff, after: &Project, revision: &str) -> String {
    let mut text = format!("### Models against {}\n\n", code(revision));
    if diff.is_empty() {
        text.push_str("Nothing differs: every column comes from what it came from.\n");
        return text;
    }
    let broken = diff.affected.iter().filter(|affected| affected.breaks).count();
    if broken > 0 || !diff.findings.is_empty() {
        let _written = writeln!(text, "**This does not build.**\n");
        for finding in &diff.findings {
            let _written = writeln!(text, "- {}", escaped(&finding.to_string()));
        }
        text.push('\n');
    }
    if !(diff.added.is_empty() && diff.removed.is_empty() && diff.changed.is_empty()) {
        text.push_str("| model | what differs |\n| --- | --- |\n");
        for name in &diff.added {
            let _written = writeln!(text, "| {} | new |", code(name));
        }
        for name in &diff.removed {
            let _written = writeln!(text, "| {} | **gone** |", code(name));
        }
        for change in &diff.changed {
            let _written = writeln!(text, "| {} | {} |", code(&change.model), changes(change));
        }
        text.push('\n');
    }
    if !diff.affected.is_empty() {
        text.push_str("| downstream | is touched |\n| --- | --- |\n");
        // What is touched whole is told together: a change of rows reaches everything below it.
        for (how, breaks) in [("**breaks**", true), ("its rows, and so every column", false)] {
            let whole = diff.affected.iter().filter(|affected| affected.breaks == breaks);
            let whole = whole.filter(|affected| affected.rows || affected.breaks);
            let models: Vec<&str> = whole.map(|affected| affected.model.as_str()).collect();
            if !models.is_empty() {
                let _written = writeln!(text, "| {} | {how} |", listed(&models));
            }
        }
        for affected in diff.affected.iter().filter(|a| !a.breaks && !a.rows) {
            let columns: Vec<&str> = affected.columns.iter().map(String::as_str).collect();
            let _written = writeln!(text, "| {} | {} |", code(&affected.model), listed(&columns));
        }
        text.push('\n');
    }
    let exports = diff.exports(after);
    if exports.is_empty() {
        text.push_str("No export is touched.\n");
    } else {
        text.push_str("Exports that may send something else:\n\n");
        for (model, destination) in exports {
            let _written = writeln!(text, "- {} to {}", code(model), escaped(destination));
        }
    }
    text
}

fn changes(change: &ModelChange) -> String {
    let mut parts = Vec::new();
    for (what, before, after) in &change.header {
        parts.push(format!("{what} {} is now {}", worded(before), worded(after)));
    }
    if change.rows {
        parts.push("**other rows**".to_owned());
    }
    let mut named = |words: &str, is: fn(&ColumnChange) -> bool| {
        let columns: Vec<&str> =
            change.columns.iter().filter(|(_, c)| is(c)).map(|(name, _)| name.as_str()).collect();
        if !columns.is_empty() {
            parts.push(format!("{words} {}", listed(&columns)));
        }
    };
    named("new", |change| *change == ColumnChange::Added);
    named("**gone**", |change| *change == ColumnChange::Removed);
    named("computed otherwise", |change| *change == ColumnChange::Recomputed);
    for (name, change) in &change.columns {
        match change {
            ColumnChange::Retyped { before, after } => {
                let name = code(name);
                parts.push(format!("{name} was {}, is {}", escaped(before), escaped(after)));
            }
            ColumnChange::Resourced { lost, gained } => {
                let sides = [("no longer", lost), ("now", gained)];
                let sides = sides.into_iter().filter(|(_, edges)| !edges.is_empty());
                let sides = sides.map(|(word, edges)| format!("{word} from {}", sources(edges)));
                parts.push(format!("{} {}", code(name), sides.collect::<Vec<_>>().join(", ")));
            }
            _ => {}
        }
    }
    parts.join("; ")
}

fn sources(edges: &Edges) -> String {
    let all: Vec<String> = edges
        .iter()
        .map(|edge| format!("{} ({})", code(&edge.source.to_string()), edge.class))
        .collect();
    let shown: Vec<&str> = all.iter().take(NAMES).map(String::as_str).collect();
    with_rest(shown.join(", "), all.len())
}

fn listed(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES).map(|name| code(name)).collect();
    with_rest(shown.join(", "), names.len())
}

fn with_rest(shown: String, count: usize) -> String {
    match count.checked_sub(NAMES).filter(|rest| *rest > 0) {
        Some(rest) => format!("{shown} and {rest} more"),
        None => shown,
    }
}

fn worded(value: &str) -> String {
    if value.is_empty() { "none".to_owned() } else { code(value) }
}

/// A name as code; what would end it, or the cell, is written otherwise.
fn code(name: &str) -> String {
    format!("`{}`", name.replace('`', "'").replace('|', "\\|").replace('\n', " "))
}

/// Text whose characters mean nothing to Markdown; code stays as it is.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut is_code = false;
    for letter in text.chars() {
        is_code ^= letter == '`';
        match letter {
            '<' if !is_code => out.push_str("&lt;"),
            '*' | '_' | '[' | ']' if !is_code => out.extend(['\\', letter]),
            '|' => out.push_str("\\|"),
            '\n' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// The whole difference, for machines.
pub fn machine(diff: &ProjectDiff, after: &Project, revision: &str) -> Value {
    let edges = |edges: &Edges| -> Vec<Value> {
        let edge = |edge: &warehouse::lineage::Edge| json!({ "from": super::placed(&edge.source), "class": edge.class.as_str() });
        edges.iter().map(edge).collect()
    };
    let column = |(name, change): &(String, ColumnChange)| match change {
        ColumnChange::Added => json!({ "column": name, "change": "added" }),
        ColumnChange::Removed => json!({ "column": name, "change": "removed" }),
        ColumnChange::Recomputed => json!({ "column": name, "change": "recomputed" }),
        ColumnChange::Retyped { before, after } => {
            json!({ "column": name, "change": "retyped", "before": before, "after": after })
        }
        ColumnChange::Resourced { lost, gained } => json!({
            "column": name, "change": "resourced", "lost": edges(lost), "gained": edges(gained),
        }),
    };
    let changed = diff.changed.iter().map(|change| {
        let header = change
            .header
            .iter()
            .map(|(what, before, after)| json!({ "what": what, "before": before, "after": after }));
        json!({
            "model": change.model,
            "columns": change.columns.iter().map(column).collect::<Vec<_>>(),
            "rows": change.rows,
            "header": header.collect::<Vec<_>>(),
        })
    });
    let affected = diff.affected.iter().map(|affected| {
        json!({
            "model": affected.model,
            "destination": affected.destination,
            "columns": affected.columns,
            "rows": affected.rows,
            "breaks": affected.breaks,
        })
    });
    let exports = diff.exports(after).into_iter();
    let exports = exports.map(|(model, to)| json!({ "model": model, "destination": to }));
    json!({
        "revision": revision,
        "added": diff.added,
        "removed": diff.removed,
        "changed": changed.collect::<Vec<_>>(),
        "affected": affected.collect::<Vec<_>>(),
        "exports": exports.collect::<Vec<_>>(),
        "findings": diff.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
