//! Answers that Shopify gave earlier and somebody saved: GraphQL bodies and bulk-operation files.
//!
//! A bulk file is one JSON object a line. Children of a connection are lines of their own that
//! name their parent in `__parentId`; since 2026-01 they need not follow it (`groupObjects` is
//! false by default), so a file is held whole, as text, until its last line: the memory taken is
//! about the size of the largest file. Which connection a child belongs to is told by the type in
//! its id: `gid://shopify/LineItem/1` under an order is one of its `lineItems`.
//!
//! A line that is no JSON, or a child whose parent is not in the file, is a reject with its text;
//! the rest of the file is kept. A bulk file cannot hold connections inside lists (Shopify refuses
//! such a query), so refunds in it come without their lines: whatever the file leaves out is null.

use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{nested::gid_type, query::NESTED};
use crate::{Error, Reject, Result};

/// The key under which a bulk file names the parent.
const PARENT: &str = "__parentId";

/// What one file holds of one stream.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// Records, each the JSON text of a whole node with its children.
    pub records: Vec<String>,
    /// Lines that could not be used.
    pub rejects: Vec<Reject>,
    /// Size of the file.
    pub bytes: u64,
}

/// The files of a folder that may hold answers, by name: the order in which they are read, so a
/// later name wins where two files hold the same record.
///
/// # Errors
/// A config error when the folder cannot be read.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error: std::io::Error| Error::config(error.to_string());
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|kind| kind == "json" || kind == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads one file: `gid` is the type in the ids of the stream's records.
///
/// # Errors
/// A config error when the file cannot be read.
pub(crate) fn read(path: &Path, gid: &str) -> Result<Saved> {
    let bytes = fs_err::read(path).map_err(|error| Error::config(error.to_string()))?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut saved = if path.extension().is_some_and(|kind| kind == "jsonl") {
        bulk(&bytes, gid)
    } else {
        answer(&bytes, gid)
    };
    saved.bytes = size;
    Ok(saved)
}

/// A saved answer, or a recording with answers inside: every node of the stream's type that lies
/// below a `data`, outermost first. A bare reference (`{ "id": .. }`) is no record.
pub(crate) fn answer(text: &[u8], gid: &str) -> Saved {
    let mut saved = Saved::default();
    match serde_json::from_slice::<Value>(text) {
        Ok(value) => find_answers(&value, gid, &mut saved.records),
        Err(error) => saved
            .rejects
            .push(reject(String::from_utf8_lossy(text).into_owned(), format!("not JSON: {error}"))),
    }
    saved
}

fn find_answers(value: &Value, gid: &str, records: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, child) in object {
                if name == "data" {
                    find_nodes(child, gid, records);
                } else {
                    find_answers(child, gid, records);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find_answers(item, gid, records)),
        _ => {}
    }
}

fn find_nodes(value: &Value, gid: &str, records: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            let id = object.get("id").and_then(Value::as_str);
            if object.len() > 1 && id.and_then(gid_type) == Some(gid) {
                records.push(value.to_string());
            } else {
                object.values().for_each(|child| find_nodes(child, gid, records));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find_nodes(item, gid, records)),
        _ => {}
    }
}

/// Lines without a parent and lines with one, by their parent: as text, which is the smallest
/// form to wait in.
#[derive(Debug, Default)]
struct Lines {
    roots: Vec<(String, String)>,
    /// Whether there are records of another stream.
    has_others: bool,
    children: FxHashMap<String, Vec<String>>,
}

/// A bulk-operation file.
pub(crate) fn bulk(text: &[u8], gid: &str) -> Saved {
    let mut saved = Saved::default();
    let mut lines = Lines::default();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        if let Err(reason) = sort_line(line, gid, &mut lines) {
            saved.rejects.push(reject(String::from_utf8_lossy(line).into_owned(), reason));
        }
    }
    let Lines { roots, has_others, mut children } = lines;
    if roots.is_empty() && has_others {
        // A file of another stream, which is the one to report what cannot be read.
        saved.rejects.clear();
    }
    for (id, record) in roots {
        let whole = assemble(&id, record, &mut children, &mut saved.rejects);
        saved.records.push(whole);
    }
    // What is left has no parent in this file. Children of other streams are theirs to miss.
    for (parent, orphans) in children {
        if NESTED.iter().any(|n| Some(n.parent) == gid_type(&parent) && within(n.parent, gid)) {
            let reason = format!("its parent `{parent}` is not in this file");
            saved.rejects.extend(orphans.into_iter().map(|text| reject(text, reason.clone())));
        }
    }
    saved
}

/// Puts a line where it waits for the end of the file.
fn sort_line(line: &[u8], gid: &str, lines: &mut Lines) -> std::result::Result<(), String> {
    let text = std::str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?;
    let mut object = serde_json::from_str::<Map<String, Value>>(text)
        .map_err(|error| format!("not a JSON object: {error}"))?;
    let id = object.get("id").and_then(Value::as_str).map(str::to_owned);
    match (object.shift_remove(PARENT), id) {
        (Some(Value::String(parent)), _) => {
            lines.children.entry(parent).or_default().push(Value::Object(object).to_string());
        }
        (Some(_), _) => return Err(format!("`{PARENT}` is not text")),
        (None, Some(id)) if gid_type(&id) == Some(gid) => {
            lines.roots.push((id, text.trim().to_owned()));
        }
        (None, Some(_)) => lines.has_others = true,
        (None, None) => return Err("neither an id nor a parent".to_owned()),
    }
    Ok(())
}

/// Whether a type lies in the records of the stream's own: an order holds refunds.
fn within(parent: &str, gid: &str) -> bool {
    parent == gid || (gid == "Order" && parent == "Refund")
}

/// Puts a node's children under their connections, children of children first.
fn assemble(
    id: &str,
    record: String,
    children: &mut FxHashMap<String, Vec<String>>,
    rejects: &mut Vec<Reject>,
) -> String {
    let Some(waiting) = children.remove(id) else { return record };
    let Ok(mut object) = serde_json::from_str::<Map<String, Value>>(&record) else { return record };
    let parent = gid_type(id).unwrap_or_default();
    for text in waiting {
        let child_id = serde_json::from_str::<Node>(&text).ok().and_then(|node| node.id);
        let kind = child_id.as_deref().and_then(gid_type);
        let nested = NESTED.iter().find(|n| n.parent == parent && Some(n.gid) == kind);
        let (Some(nested), Some(child_id)) = (nested, child_id) else {
            rejects.push(reject(text, format!("no connection of `{parent}` holds it")));
            continue;
        };
        let whole = assemble(&child_id, text, children, rejects);
        let connection = object.entry(nested.field).or_insert_with(|| json!({ "nodes": [] }));
        match (connection.get_mut("nodes"), serde_json::from_str(&whole)) {
            (Some(Value::Array(nodes)), Ok(child)) => nodes.push(child),
            _ => rejects.push(reject(whole, format!("`{}` of its parent is taken", nested.field))),
        }
    }
    Value::Object(object).to_string()
}

/// A line, of which only the id is looked at.
#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    id: Option<String>,
}

fn reject(record: String, reason: String) -> Reject {
    Reject { record, pointer: String::new(), reason }
}
