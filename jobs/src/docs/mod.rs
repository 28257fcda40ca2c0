//! The models as one HTML file: no network when it is viewed, everything inline.
//!
//! All that varies is one JSON text in a `<script type="application/json">`, in which no `<` can
//! stand; the page's own script puts it into the document as text only. So nothing that a model's
//! file says can become markup. The policy in the head forbids the page every connection.

mod contents;
mod past;
mod samples;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use warehouse::{Project, Release, lineage::Lineage};

pub use past::Past;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const LAYOUT: &str = include_str!("layout.js");
const SCRIPT: &str = include_str!("page.js");

/// What the page is made of.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The shop's name, if it has one.
    pub shop: Option<&'a str>,
    /// The models.
    pub project: &'a Project,
    /// Their lineage.
    pub lineage: &'a Lineage,
    /// The release that readers see, if there is one.
    pub release: Option<&'a Release>,
    /// What was built and checked; nothing before the first build.
    pub past: &'a Past,
    /// Now.
    pub at: DateTime<Utc>,
}

/// The page.
pub fn page(facts: &Facts<'_>) -> String {
    let release = facts
        .release
        .map(|release| json!({ "number": release.number, "at": shown(release.created_at) }));
    let tables = contents::tables(facts);
    let contents = json!({
        "shop": facts.shop,
        "version": env!("CARGO_PKG_VERSION"),
        "at": shown(facts.at),
        "release": release,
        "classes": warehouse::lineage::Class::ALL.map(warehouse::lineage::Class::as_str),
        "checks": contents::last_checks(&tables),
        "tables": tables,
    });
    // Each part once, from the first to the last: what is put in is not searched again.
    let parts = [
        ("/*style*/", STYLE.to_owned()),
        ("/*contents*/", inert(&contents)),
        ("/*layout*/", LAYOUT.to_owned()),
        ("/*script*/", SCRIPT.to_owned()),
    ];
    let mut page = String::new();
    let mut rest = PAGE;
    for (mark, text) in parts {
        if let Some((before, after)) = rest.split_once(mark) {
            page.push_str(before);
            page.push_str(&text);
            rest = after;
        }
    }
    page.push_str(rest);
    page
}

/// JSON that no HTML parser finds anything in.
fn inert(value: &Value) -> String {
    let mut out = String::new();
    for letter in value.to_string().chars() {
        match letter {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}

fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests;
