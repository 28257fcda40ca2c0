//! What Klaviyo accepts as a bulk import, and how it refuses the rest: all faults at once.

use serde_json::{Map, Value};

const MOST_PROFILES: usize = 10_000;
const MOST_BYTES: usize = 5_000_000;
const MOST_PROFILE_BYTES: usize = 100_000;

/// Attributes a profile may have.
const ATTRIBUTES: [&str; 13] = [
    "email",
    "phone_number",
    "external_id",
    "anonymous_id",
    "_kx",
    "first_name",
    "last_name",
    "organization",
    "locale",
    "title",
    "image",
    "location",
    "properties",
];

/// A batch that passed.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) profiles: Vec<Profile>,
}

/// A profile that passed.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) identifier: String,
    pub(super) properties: Map<String, Value>,
    /// Its attributes as they were sent.
    pub(super) payload: Value,
}

/// Why a batch was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) faults: Vec<Fault>,
}

/// One entry of `errors`.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) detail: String,
    pub(super) pointer: Option<String>,
    pub(super) parameter: Option<String>,
}

fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Fault {
    Fault {
        code: "invalid",
        title: "Invalid input.",
        detail: detail.into(),
        pointer: Some(pointer.into()),
        parameter: None,
    }
}

fn refuse(status: u16, pointer: &str, detail: &str) -> Refusal {
    Refusal { status, faults: vec![invalid(pointer, detail)] }
}

impl Import {
    /// Reads and checks a body.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        if body.len() > MOST_BYTES {
            return Err(refuse(413, "/data", "The request payload exceeds the maximum of 5 MB."));
        }
        let Ok(mut body) = serde_json::from_slice::<Value>(body) else {
            return Err(refuse(
                400,
                "/data",
                "The payload provided in the request is not valid JSON.",
            ));
        };
        if body.pointer("/data/type").and_then(Value::as_str) != Some("profile-bulk-import-job") {
            return Err(refuse(400, "/data/type", "The value must be `profile-bulk-import-job`."));
        }
        if let Some(name) = body
            .pointer("/data/attributes")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
            .find(|name| *name != "profiles")
        {
            return Err(refuse(
                400,
                &format!("/data/attributes/{name}"),
                &format!(
                    "'{name}' is not a valid field for the resource 'profile-bulk-import-job'."
                ),
            ));
        }
        let Some(Value::Array(profiles)) =
            body.pointer_mut("/data/attributes/profiles/data").map(Value::take)
        else {
            return Err(refuse(400, "/data/attributes/profiles/data", "This field is required."));
        };
        if !(1..=MOST_PROFILES).contains(&profiles.len()) {
            return Err(refuse(
                400,
                "/data/attributes/profiles/data",
                "Between 1 and 10000 profiles are accepted in a request.",
            ));
        }
        let mut faults = Vec::new();
        let mut passed = Vec::with_capacity(profiles.len());
        for (at, profile) in profiles.into_iter().enumerate() {
            match check(&format!("/data/attributes/profiles/data/{at}"), profile) {
                Ok(profile) => passed.push(profile),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            Ok(Self { profiles: passed })
        } else {
            Err(Refusal { status: 400, faults })
        }
    }
}

fn check(place: &str, mut profile: Value) -> Result<Profile, Fault> {
    if profile.to_string().len() > MOST_PROFILE_BYTES {
        return Err(invalid(place, "A profile must not exceed 100 KB."));
    }
    if profile.get("type").and_then(Value::as_str) != Some("profile") {
        return Err(invalid(format!("{place}/type"), "The value must be `profile`."));
    }
    let Some(Value::Object(attributes)) = profile.get_mut("attributes").map(Value::take) else {
        return Err(invalid(format!("{place}/attributes"), "This field is required."));
    };
    let place = format!("{place}/attributes");
    if let Some(name) = attributes.keys().find(|name| !ATTRIBUTES.contains(&name.as_str())) {
        return Err(invalid(
            format!("{place}/{name}"),
            format!("'{name}' is not a valid field for the resource 'profile'."),
        ));
    }
    let mut identifier = None;
    for (name, check) in [
        ("email", is_email as fn(&str) -> bool),
        ("external_id", is_external_id),
        ("phone_number", is_phone),
    ] {
        match attributes.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if check(text) => {
                identifier = identifier.or_else(|| Some(text.trim().to_lowercase()));
            }
            Some(_) => {
                let what = if name == "email" { "Invalid email address" } else { "Invalid value" };
                return Err(invalid(format!("{place}/{name}"), what));
            }
        }
    }
    let Some(identifier) = identifier else {
        return Err(invalid(
            place,
            "One of these fields is required: email, phone_number, external_id, id.",
        ));
    };
    let properties = match attributes.get("properties") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(properties)) => properties.clone(),
        Some(_) => {
            return Err(invalid(format!("{place}/properties"), "The value must be an object."));
        }
    };
    Ok(Profile { identifier, properties, payload: Value::Object(attributes) })
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let labels = || domain.split('.');
    !local.is_empty()
        && local.bytes().all(is_plain)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && labels().count() > 1
        && labels().all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

fn is_external_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255
}

/// E.164.
fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(profiles: &str) -> String {
        format!(
            r#"{{"data":{{"type":"profile-bulk-import-job","attributes":{{"profiles":{{"data":[{profiles}]}}}}}}}}"#
        )
    }

    #[test]
    fn one_malformed_address_refuses_the_batch_and_is_pointed_at() {
        let good = r#"{"type":"profile","attributes":{"email":"a@b.co","properties":{"x":1}}}"#;
        let bad = r#"{"type":"profile","attributes":{"email":"a@@b"}}"#;
        assert_eq!(Import::read(body(good).as_bytes()).unwrap().profiles.len(), 1);
        let refusal =
            Import::read(body(&format!("{good},{bad},{good},{bad}")).as_bytes()).unwrap_err();
        let pointers: Vec<_> =
            refusal.faults.iter().filter_map(|fault| fault.pointer.as_deref()).collect();
        assert_eq!(refusal.status, 400);
        assert_eq!(
            pointers,
            [
                "/data/attributes/profiles/data/1/attributes/email",
                "/data/attributes/profiles/data/3/attributes/email"
            ]
        );
    }

    #[test]
    fn the_caps_are_kept() {
        assert_eq!(Import::read(&vec![b' '; MOST_BYTES + 1]).unwrap_err().status, 413);
        let one = r#"{"type":"profile","attributes":{"email":"a@b.co"}}"#;
        let many = vec![one; MOST_PROFILES + 1].join(",");
        assert_eq!(Import::read(body(&many).as_bytes()).unwrap_err().status, 400);
        let big = format!(
            r#"{{"type":"profile","attributes":{{"email":"a@b.co","properties":{{"x":"{}"}}}}}}"#,
            "y".repeat(MOST_PROFILE_BYTES)
        );
        assert!(
            Import::read(body(&big).as_bytes()).unwrap_err().faults[0].detail.contains("100 KB")
        );
    }
}
