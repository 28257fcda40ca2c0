//! A vendor's half of the server: a call as it sees it, and the answer it gives.

use std::fmt::Debug;

use axum::http::HeaderMap;
use bytes::Bytes;

use super::faults::FaultKind;
use crate::World;

/// One request, its vendor's prefix taken off.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    /// Without a leading slash.
    pub(crate) path: &'a str,
    query: Vec<(String, String)>,
    headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    /// A fault the vendor's half has to act out by itself.
    pub(crate) fault: Option<FaultKind>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        method: &'a str,
        path: &'a str,
        query: &str,
        headers: &'a HeaderMap,
        body: &'a Bytes,
        fault: Option<FaultKind>,
    ) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        });
        Self { method, path, query: pairs.collect(), headers, body, fault }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token of `Authorization: <scheme> <token>`, the scheme in any case.
    pub(crate) fn authorization(&self, scheme: &str) -> Option<&str> {
        let (given, token) = self.header("authorization")?.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then_some(token.trim())
    }

    /// A parameter of the query, unescaped.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter as a number; `Err` holds what it was instead.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, String> {
        self.parameter(name).map(|value| value.parse().map_err(|_| value.to_owned())).transpose()
    }

    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The path's parts.
    pub(crate) fn parts(&self) -> Vec<&'a str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }
}

/// One answer before it is put on the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: String) -> Self {
        Self { status, headers: Vec::new(), content_type: "application/json; charset=utf-8", body }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// One vendor's half of the server.
pub(crate) trait Vendor: Debug + Send + Sync {
    /// Answers a call; `lifted` switches its rate limits off.
    fn answer(&self, world: &World, lifted: bool, call: &Call<'_>) -> Answer;

    /// How it refuses one call too many.
    fn too_many(&self) -> Answer;

    /// What it says when it broke down, with status 500.
    fn broken(&self) -> &'static str;

    /// How it refuses with status 200, if it does.
    fn throttled(&self) -> Option<Answer> {
        None
    }
}

/// Undoes `+` and `%20`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = std::str::from_utf8(&digits).unwrap_or("");
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or(b'?'));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Escapes a query value for a link that an answer holds.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            super::json::push(&mut out, format_args!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_unescaped() {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        let call =
            Call::new("GET", "a/b", "created%5Bgte%5D=5&x=a+b%2Cc&flag", &headers, &body, None);
        assert_eq!(call.parameter("created[gte]"), Some("5"));
        assert_eq!(call.parameter("x"), Some("a b,c"));
        assert_eq!(call.parameter("flag"), Some(""));
        assert_eq!(call.number("x"), Err("a b,c".to_owned()));
        assert_eq!(call.parts(), ["a", "b"]);
        assert_eq!(escape("a b,ü"), "a%20b%2C%C3%BC");
    }
}
