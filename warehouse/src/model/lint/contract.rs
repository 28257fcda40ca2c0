//! What a model promises its readers: a key, and the columns that its header lists.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::SchemaRef;

use super::super::check::words;
use super::super::finding::{code, did_you_mean};
use super::super::header::{first_header_line, place_of_value};
use super::{Subject, place_of_column};

/// A mart that is no segment has a key.
pub(super) fn key(subject: &mut Subject<'_>) {
    let model = subject.model;
    let needs = ["fct_", "dim_", "agg_"].iter().any(|prefix| model.name.starts_with(prefix));
    if needs && model.header.key.is_empty() {
        let message = format!("`{}` names no key: nothing says what one row is", model.name);
        let hint = "add `key = [..]` with the columns that the description calls the grain";
        subject.add(first_header_line(&model.text), code::NO_KEY, message, hint);
    }
}

/// The columns against the header's `columns`.
pub(super) fn columns(subject: &mut Subject<'_>, schema: &SchemaRef) {
    let model = subject.model;
    if model.header.columns.is_empty() {
        return;
    }
    let mut promised = BTreeSet::new();
    for promise in &model.header.columns {
        let place = place_of_value(&model.text, promise);
        let (name, wanted) = match promise.trim().split_once(char::is_whitespace) {
            Some((name, wanted)) => (name, Some(wanted)),
            None => (promise.trim(), None),
        };
        promised.insert(name.to_owned());
        let Ok(field) = schema.field_with_name(name) else {
            let message = format!("the contract promises `{name}`, which the model does not have");
            let known = schema.fields().iter().map(|field| field.name().as_str());
            let hint = did_you_mean(name, known).unwrap_or_else(|| {
                "readers rely on it: select it again, or take it out of `columns`".to_owned()
            });
            subject.add(place, code::CONTRACT, message, &hint);
            continue;
        };
        let given = words(field.data_type());
        if let Some(wanted) = wanted
            && plain(wanted) != plain(&given)
        {
            let message = format!("the contract promises `{name}` as {wanted}, and it is {given}");
            let hint = "cast it in the final select, or change `columns`";
            subject.add(place, code::CONTRACT, message, hint);
        }
    }
    for field in schema.fields().iter().filter(|field| !promised.contains(field.name())) {
        let place = place_of_column(model, field.name());
        let message = format!("`{}` is not in the contract", field.name());
        let hint = "add it to `columns`, or do not select it";
        subject.add(place, code::CONTRACT, message, hint);
    }
}

/// A type as it is compared: without spaces, `timestamp` for the only kind there is.
fn plain(words: &str) -> String {
    let text: String = words.chars().filter(|c| !c.is_whitespace()).collect();
    let text = text.to_lowercase();
    text.strip_suffix("inutc").map(str::to_owned).unwrap_or(text)
}
