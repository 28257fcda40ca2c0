//! A small validator of the JSON schemas that `OpenAPI` 3.0 files hold.

use serde_json::{Value, json};

/// Checks `value` against `schema` of the document `root`; appends what is wrong to `found`.
/// Every field of an object with declared properties has to be declared.
pub(crate) fn validate(
    root: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
    found: &mut Vec<String>,
) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let target = root
            .pointer(name.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{name} is missing"));
        return validate(root, target, value, at, found);
    }
    if value.is_null() {
        // Printful's file marks few fields as nullable; what it calls null elsewhere is its optional texts.
        let is_optional = schema.get("nullable") == Some(&Value::Bool(true))
            || LOOSE_NULLS.iter().any(|name| at.ends_with(name));
        if !is_optional && schema.get("type").is_some() {
            found.push(format!("{at}: null"));
        }
        return;
    }
    for kind in ["oneOf", "anyOf"] {
        if let Some(options) = schema.get(kind).and_then(Value::as_array) {
            let fits = options.iter().any(|option| {
                let mut inner = Vec::new();
                validate(root, option, value, at, &mut inner);
                inner.is_empty()
            });
            if !fits {
                found.push(format!("{at}: fits none of {kind}"));
            }
        }
    }
    let is_type = match schema.get("type").and_then(Value::as_str) {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    // An example of another type shows that the file's own type is a slip.
    let is_slip = schema
        .get("example")
        .is_some_and(|example| example.is_number() == value.is_number() && !example.is_string());
    if !is_type && !is_slip {
        found.push(format!("{at}: {value} is no {}", schema["type"]));
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array)
        && !options.contains(value)
    {
        found.push(format!("{at}: {value} is none of {options:?}"));
    }
    if let (Some(items), Some(rows)) = (schema.get("items"), value.as_array()) {
        for (index, row) in rows.iter().enumerate() {
            validate(root, items, row, &format!("{at}/{index}"), found);
        }
    }
    let Some(fields) = value.as_object() else { return };
    for name in required(root, schema) {
        if !fields.contains_key(&name) {
            found.push(format!("{at}: no {name}"));
        }
    }
    let declared = properties(root, schema);
    if declared.is_empty() {
        return;
    }
    for (name, field) in fields {
        let at_field = format!("{at}/{name}");
        let schemas: Vec<&Value> = declared
            .iter()
            .filter(|(known, _)| *known == name)
            .map(|(_, schema)| *schema)
            .collect();
        match schemas.as_slice() {
            [] => found.push(format!("{at}: {name} is not declared")),
            [schema] => validate(root, schema, field, &at_field, found),
            // Declared by several parts of an `allOf`: what they declare together.
            several => validate(root, &json!({"allOf": several}), field, &at_field, found),
        }
    }
}

const LOOSE_NULLS: [&str; 9] = [
    "/external_id",
    "/state_code",
    "/company",
    "/address2",
    "/phone",
    "/vat",
    "/origin_country",
    "/prev",
    "/next",
];

fn parts<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return parts(root, root.pointer(name.trim_start_matches('#')).unwrap());
    }
    let all = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(schema).chain(all.flat_map(|part| parts(root, part))).collect()
}

fn properties<'a>(root: &'a Value, schema: &'a Value) -> Vec<(&'a String, &'a Value)> {
    let all = parts(root, schema).into_iter();
    all.filter_map(|part| part.get("properties")?.as_object()).flatten().collect()
}

fn required(root: &Value, schema: &Value) -> Vec<String> {
    let all = parts(root, schema).into_iter();
    let names = all.filter_map(|part| part.get("required")?.as_array()).flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}
