//! Connections inside a record that did not fit its page, completed by calls of their own.
//!
//! A query asks for few line items, refund lines or variants of each record, since every one asked
//! for is charged whether it exists or not. Almost every record fits; one that does not says
//! `"hasNextPage": true` somewhere inside, and is then completed node by node, so nothing that
//! belongs to a record is ever left out.

use serde_json::Value;

use super::query::{NESTED, Nested};
use crate::{Error, Result};

/// A connection of one record that has more pages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// JSON pointer of the connection within the record.
    pub pointer: String,
    /// Id of the node that holds it.
    pub id: String,
    /// Where it goes on.
    pub after: String,
    field: String,
    parent: String,
}

impl Open {
    /// How this connection is asked for.
    ///
    /// # Errors
    /// A bug when the query asks for a connection that nobody declared here.
    pub(crate) fn nested(&self) -> Result<&'static Nested> {
        NESTED
            .iter()
            .find(|nested| nested.parent == self.parent && nested.field == self.field)
            .ok_or_else(|| {
                Error::bug(format!(
                    "shopify: cannot complete `{}` of `{}`",
                    self.field, self.parent
                ))
            })
    }
}

/// Whether a record may hold an unfinished connection: a look at its text, without parsing.
/// Text that a customer wrote cannot fool it, since its quotes are escaped.
pub(crate) fn may_be_open(record: &str) -> bool {
    record.split("\"hasNextPage\"").skip(1).any(|rest| {
        rest.trim_start()
            .strip_prefix(':')
            .is_some_and(|rest| rest.trim_start().starts_with("true"))
    })
}

/// Every unfinished connection of a record.
pub(crate) fn open_connections(record: &Value) -> Vec<Open> {
    let mut found = Vec::new();
    collect(record, "", None, &mut found);
    found
}

fn collect(value: &Value, pointer: &str, holder: Option<(&str, &str)>, found: &mut Vec<Open>) {
    match value {
        Value::Object(object) => {
            let info = object.get("pageInfo");
            let more = info.and_then(|info| info.get("hasNextPage")).and_then(Value::as_bool);
            let after = info.and_then(|info| info.get("endCursor")).and_then(Value::as_str);
            if let (Some(true), Some(after), Some((id, field))) = (more, after, holder) {
                found.push(Open {
                    pointer: pointer.to_owned(),
                    id: id.to_owned(),
                    after: after.to_owned(),
                    field: field.to_owned(),
                    parent: gid_type(id).unwrap_or_default().to_owned(),
                });
            }
            let id = object.get("id").and_then(Value::as_str);
            for (name, child) in object {
                let holder = id.map(|id| (id, name.as_str()));
                collect(child, &format!("{pointer}/{name}"), holder, found);
            }
        }
        Value::Array(items) => {
            for (index, child) in items.iter().enumerate() {
                collect(child, &format!("{pointer}/{index}"), None, found);
            }
        }
        _ => {}
    }
}

/// Adds nodes to a connection of the record and marks it complete.
///
/// # Errors
/// A bug when the pointer does not lead to a connection with `nodes`.
pub(crate) fn extend(record: &mut Value, pointer: &str, more: Vec<Value>) -> Result<()> {
    let connection = record.pointer_mut(pointer).and_then(Value::as_object_mut);
    let nodes = connection.and_then(|connection| {
        // The cursor of the first page means nothing any more.
        connection.shift_remove("pageInfo");
        connection.get_mut("nodes").and_then(Value::as_array_mut)
    });
    match nodes {
        Some(nodes) => {
            nodes.extend(more);
            Ok(())
        }
        None => Err(Error::bug(format!("shopify: `{pointer}` is not a connection"))),
    }
}

/// `Order` of `gid://shopify/Order/1001`.
pub(crate) fn gid_type(id: &str) -> Option<&str> {
    id.strip_prefix("gid://shopify/")?.split('/').next()
}
