//! The one HTTP client: timeouts, rate buckets, retries, and errors that give nothing away.
//!
//! A call is tried again after a closed connection, a body cut short, a timeout, 429 and 5xx, with
//! exponential waits and full jitter; a `Retry-After` is obeyed as it is. What a vendor says in
//! other ways (status 200 with an error inside, say) its own `classify` tells. Errors show method
//! and path, never the query, a header or a body; a vendor that echoes the token has it blotted out.

use std::{fmt, fmt::Display, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use reqwest::{
    Client, Method,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::pace::pause;
#[cfg(test)]
pub(crate) use super::pace::waits;
pub use super::pace::{Bucket, RetryPolicy};
use crate::{Error, ErrorKind, Result};

const USER_AGENT: &str = concat!("inkhouse/", env!("CARGO_PKG_VERSION"));
/// No vendor answers more in one page; a larger body is a mistake or an attack.
const BODY_LIMIT: usize = 256 << 20;
/// A vendor that wants a longer rest gets it from the next run.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// What a reply means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// An answer for the caller.
    Done,
    /// Try again, after so long if the vendor says.
    Retry {
        /// What the vendor asked for.
        wait: Option<Duration>,
    },
    /// It will fail again.
    Fail {
        /// Who can fix it.
        kind: ErrorKind,
        /// What the vendor said, without anything secret or personal.
        message: String,
    },
}

impl Verdict {
    /// What most vendors mean by a status.
    pub fn by_status(reply: &Reply) -> Self {
        let fail = |kind, message: &str| Self::Fail {
            kind,
            message: format!("{message} ({})", reply.status),
        };
        match reply.status {
            200..=299 => Self::Done,
            401 => fail(ErrorKind::Access, "the token was refused"),
            402 => fail(ErrorKind::Access, "the account is not paid up"),
            403 => fail(ErrorKind::Access, "the token may not do this"),
            404 => fail(ErrorKind::Data, "there is nothing at this address"),
            408 | 425 | 429 | 500..=599 => Self::Retry { wait: reply.retry_after() },
            _ => fail(ErrorKind::Data, "the request was refused"),
        }
    }
}

/// An answer, whole.
#[derive(Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// `GET /v1/orders`, for errors.
    call: String,
    /// When the answer came, by the vendor's own clock.
    date: Option<std::time::SystemTime>,
}

/// Shows no header and no body.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("call", &self.call)
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Reply {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body by its type, which may borrow from it: records are best kept as `&RawValue`.
    ///
    /// # Errors
    /// A data error that names the call and the place, never the content.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::data(format!(
                "{}: unexpected answer at line {}, column {}",
                self.call,
                error.line(),
                error.column()
            ))
        })
    }

    /// Bytes of the body.
    pub fn size(&self) -> u64 {
        u64::try_from(self.body.len()).unwrap_or(u64::MAX)
    }

    /// `Retry-After` in seconds or as a date, which is held against the vendor's own clock.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let until = httpdate::parse_http_date(text).ok()?;
        until.duration_since(self.date?).ok()
    }
}

type Classify = fn(&Reply) -> Verdict;

/// A client of one vendor's account. Clones share connections and rate buckets.
#[derive(Clone)]
pub struct Http {
    shared: Arc<Shared>,
}

struct Shared {
    vendor: &'static str,
    client: Client,
    base: Url,
    buckets: Vec<DefaultDirectRateLimiter>,
    classify: Classify,
    retry: RetryPolicy,
    reason_header: Option<&'static str>,
    secrets: Vec<SecretString>,
}

/// Shows where it leads, and no header.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("vendor", &self.shared.vendor)
            .field("host", &self.shared.base.host_str())
            .finish_non_exhaustive()
    }
}

/// Builds an [`Http`].
pub struct HttpBuilder {
    vendor: &'static str,
    base: Url,
    headers: Result<HeaderMap>,
    buckets: Vec<Bucket>,
    classify: Classify,
    retry: RetryPolicy,
    reason_header: Option<&'static str>,
    secrets: Vec<SecretString>,
}

impl fmt::Debug for HttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBuilder").field("vendor", &self.vendor).finish_non_exhaustive()
    }
}

impl Http {
    /// Starts from the vendor's name, as in the config, and its address.
    pub fn builder(vendor: &'static str, base: &Url) -> HttpBuilder {
        HttpBuilder {
            vendor,
            base: base.clone(),
            headers: Ok(HeaderMap::new()),
            buckets: Vec::new(),
            classify: Verdict::by_status,
            retry: RetryPolicy::default(),
            reason_header: None,
            secrets: Vec::new(),
        }
    }

    /// Leaves the vendor alone for a while, because its answers ask for it.
    pub async fn rest(&self, wait: Duration) {
        tracing::debug!(vendor = self.shared.vendor, seconds = wait.as_secs(), "resting");
        pause(wait.min(LONGEST_REST)).await;
    }

    /// The address everything is below.
    pub fn base(&self) -> &Url {
        &self.shared.base
    }

    /// A `GET` below the base address.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// A `POST` below the base address.
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// A `GET` of an address that the vendor handed out, such as the next page.
    ///
    /// # Errors
    /// A data error when it leads to another host: the token must not go there.
    pub fn get_absolute(&self, url: &str) -> Result<Request> {
        let url = Url::parse(url).map_err(|_| {
            Error::data(format!("{}: the next page has no address", self.shared.vendor))
        })?;
        if url.origin() != self.shared.base.origin() {
            return Err(Error::data(format!(
                "{}: the next page is on another host; the token is not sent there",
                self.shared.vendor
            )));
        }
        let call = format!("GET {}", url.path());
        Ok(Request { http: self.clone(), method: Method::GET, url, call, body: Ok(None) })
    }

    fn request(&self, method: Method, path: &str) -> Request {
        let mut url = self.shared.base.clone();
        url.set_path(&format!("{}{path}", self.shared.base.path().trim_end_matches('/')));
        let call = format!("{method} {path}");
        Request { http: self.clone(), method, url, call, body: Ok(None) }
    }
}

impl HttpBuilder {
    /// A header that everybody may see.
    #[must_use]
    pub fn header(self, name: &'static str, value: &str) -> Self {
        self.insert(name, value, false)
    }

    /// A header that nobody may see.
    #[must_use]
    pub fn header_secret(mut self, name: &'static str, value: &SecretString) -> Self {
        self.secrets.push(value.clone());
        self.insert(name, value.expose_secret(), true)
    }

    fn insert(mut self, name: &'static str, value: &str, secret: bool) -> Self {
        let vendor = self.vendor;
        self.headers = self.headers.and_then(|mut headers| {
            let name = HeaderName::try_from(name)
                .map_err(|_| Error::bug(format!("{vendor}: `{name}` is no header")))?;
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                Error::config(format!(
                    "{vendor}: a token or id has characters that no header can carry"
                ))
                .with_hint("look for a line break or a space at its end")
            })?;
            value.set_sensitive(secret);
            headers.insert(name, value);
            Ok(headers)
        });
        self
    }

    /// Keeps to a rate; several may apply.
    #[must_use]
    pub fn bucket(mut self, bucket: Bucket) -> Self {
        self.buckets.push(bucket);
        self
    }

    /// What this vendor means by its replies.
    #[must_use]
    pub fn classify(mut self, classify: Classify) -> Self {
        self.classify = classify;
        self
    }

    /// The header in which this vendor tells which of its limits was reached.
    #[must_use]
    pub fn reason_header(mut self, name: &'static str) -> Self {
        self.reason_header = Some(name);
        self
    }

    /// Other patience than usual.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// A config error when a header cannot be sent.
    pub fn build(self) -> Result<Http> {
        #[expect(clippy::disallowed_methods, reason = "this is the one client of the house")]
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(self.headers?)
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(15))
            .read_timeout(Duration::from_mins(1))
            .timeout(Duration::from_mins(5))
            .build()
            .map_err(|_| Error::bug(format!("{}: no HTTP client can be made", self.vendor)))?;
        Ok(Http {
            shared: Arc::new(Shared {
                vendor: self.vendor,
                client,
                base: self.base,
                buckets: self.buckets.iter().map(|b| RateLimiter::direct(b.quota())).collect(),
                classify: self.classify,
                retry: self.retry,
                reason_header: self.reason_header,
                secrets: self.secrets,
            }),
        })
    }
}

/// One call that was not made yet.
pub struct Request {
    http: Http,
    method: Method,
    url: Url,
    call: String,
    body: Result<Option<(Bytes, HeaderValue)>>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("call", &self.call).finish_non_exhaustive()
    }
}

/// Why one try brought no answer.
struct Broken(&'static str);

impl Request {
    /// Adds to the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Display) -> Self {
        self.url.query_pairs_mut().append_pair(name, &value.to_string());
        self
    }

    /// Sends JSON.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.body = serde_json::to_vec(value)
            .map(|body| Some((body.into(), HeaderValue::from_static("application/json"))))
            .map_err(|error| {
                Error::bug(format!("{}: the body cannot be written: {error}", self.call))
            });
        self
    }

    /// Sends bytes of a media type.
    #[must_use]
    pub fn body(mut self, body: Vec<u8>, media_type: &'static str) -> Self {
        self.body = Ok(Some((body.into(), HeaderValue::from_static(media_type))));
        self
    }

    /// Makes the call, again if need be.
    ///
    /// # Errors
    /// `Access` and `Data` as the vendor answered; `Busy` when the tries are used up.
    pub async fn send(self) -> Result<Reply> {
        let shared = Arc::clone(&self.http.shared);
        let body = match &self.body {
            Ok(body) => body.clone(),
            Err(error) => return Err(Error::bug(error.to_string())),
        };
        let mut tried = 0;
        loop {
            for bucket in &shared.buckets {
                bucket.until_ready().await;
            }
            tried += 1;
            let (reason, wait) = match self.once(&shared, body.as_ref()).await {
                Ok(reply) => match (shared.classify)(&reply) {
                    Verdict::Done => return Ok(reply),
                    Verdict::Fail { kind, message } => return Err(self.failed(kind, &message)),
                    Verdict::Retry { wait } => (shared.reason(&reply), wait),
                },
                Err(Broken(reason)) => (reason.to_owned(), None),
            };
            if tried >= shared.retry.tries || wait.is_some_and(|wait| wait > LONGEST_REST) {
                return Err(self.gave_up(tried, &reason, wait));
            }
            tracing::debug!(
                vendor = shared.vendor,
                call = self.call,
                tried,
                reason,
                "trying again"
            );
            pause(match wait {
                // A little late, so that those who were told the same do not return as one.
                Some(wait) => wait.saturating_add(shared.retry.jittered(1)),
                None => shared.retry.jittered(tried),
            })
            .await;
        }
    }

    async fn once(
        &self,
        shared: &Shared,
        body: Option<&(Bytes, HeaderValue)>,
    ) -> std::result::Result<Reply, Broken> {
        let mut request = shared.client.request(self.method.clone(), self.url.clone());
        if let Some((body, media_type)) = body {
            request = request
                .header(reqwest::header::CONTENT_TYPE, media_type.clone())
                .body(body.clone());
        }
        let mut response = request.send().await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY_LIMIT {
                return Err(Broken("the answer is larger than 256 MB"));
            }
        }
        if is_cut_off(status, &headers, &body) {
            return Err(Broken("the answer broke off"));
        }
        let date = headers
            .get(reqwest::header::DATE)
            .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        Ok(Reply { status, headers, body: body.freeze(), call: self.call.clone(), date })
    }

    fn failed(&self, kind: ErrorKind, message: &str) -> Error {
        let vendor = self.http.shared.vendor;
        let message = self.http.shared.blotted(message);
        let error = Error::new(kind, format!("{vendor}: {}: {message}", self.call));
        match kind {
            ErrorKind::Access => error.with_hint(format!(
                "look at the token that `{vendor}` is configured with: is it whole, not expired, and does it have the scopes?"
            )),
            _ => error,
        }
    }

    fn gave_up(&self, tried: u32, reason: &str, wait: Option<Duration>) -> Error {
        let vendor = self.http.shared.vendor;
        let host = self.http.shared.base.host_str().unwrap_or_default();
        Error::busy(format!("{vendor}: {}: gave up after {tried} tries: {reason}", self.call))
            .with_wait(wait)
            .with_hint(format!(
                "`{host}` did not answer as it should; run it again later: it goes on where it stopped"
            ))
    }
}

impl Shared {
    /// Why a reply is no answer yet.
    fn reason(&self, reply: &Reply) -> String {
        match self.reason_header.and_then(|name| reply.header(name)) {
            Some(told) => self.blotted(&format!("status {}, {told}", reply.status)),
            None => format!("status {}", reply.status),
        }
    }

    /// What a vendor said, without the token that it may have repeated.
    fn blotted(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for secret in &self.secrets {
            let whole = secret.expose_secret();
            let bare = whole.rsplit(' ').next().unwrap_or(whole);
            if !bare.is_empty() {
                message = message.replace(bare, "***");
            }
        }
        message
    }
}

/// A body that no length and no chunk gave away as cut off, but its last byte does.
fn is_cut_off(status: u16, headers: &HeaderMap, body: &[u8]) -> bool {
    let is_json = headers
        .get(reqwest::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("json"));
    let body = body.trim_ascii();
    let is_whole = match body.first() {
        Some(b'{') => body.ends_with(b"}"),
        Some(b'[') => body.ends_with(b"]"),
        _ => true,
    };
    is_json && (200..300).contains(&status) && !is_whole
}

fn broken(error: &reqwest::Error) -> Broken {
    Broken(if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the connection broke"
    })
}

#[cfg(test)]
mod tests;
