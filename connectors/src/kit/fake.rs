//! A vendor pretended for tests: one function from a call to an answer, over real sockets.
//!
//! It speaks HTTP/1.1 by hand, since no HTTP server can be made to hang up without a word or to
//! stop in the middle of a body, and those are what a night meets.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::Value;

/// One request as the vendor sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Without the vendor's prefix, with a leading slash.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// Names in lowercase.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Call {
    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// A parameter of the query as a number.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.parameter(name)?.parse().ok()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What the vendor answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    end: End,
}

/// How far an answer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// Half of the body, then the connection closes.
    Truncated,
    /// Half of the body, under a length that says it is whole.
    Shortened,
    /// Not a byte.
    Closed,
}

impl Answer {
    /// 200 with JSON.
    pub(crate) fn json(body: &Value) -> Self {
        Self::text(200, &body.to_string())
    }

    /// A status with a body, as JSON.
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.to_owned(), end: End::Whole }
    }

    /// The connection is closed without an answer.
    pub(crate) fn closed() -> Self {
        Self { end: End::Closed, ..Self::text(0, "") }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, broken off in the middle.
    pub(crate) fn truncated(self) -> Self {
        Self { end: End::Truncated, ..self }
    }

    /// The same, cut in half by something that counted the bytes anew.
    pub(crate) fn shortened(self) -> Self {
        Self { end: End::Shortened, ..self }
    }
}

/// A serving vendor; it stops when dropped.
#[derive(Debug)]
pub(crate) struct Fake {
    /// What a connector's `base_url` is.
    pub(crate) base_url: String,
    port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
    stopping: Arc<AtomicBool>,
}

impl Fake {
    /// Serves a vendor under its own prefix.
    pub(crate) fn serve(
        vendor: &str,
        answer: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let stopping: Arc<AtomicBool> = Arc::default();
        let prefix = format!("/{vendor}");
        let (noted, stopped) = (Arc::clone(&calls), Arc::clone(&stopping));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A client that went away is no concern of the vendor's.
                if let Ok(stream) = stream
                    && let Some(call) = read(&stream, &prefix)
                {
                    noted.lock().unwrap().push(call.clone());
                    write(stream, &answer(&call)).ok();
                }
            }
        });
        let base_url = format!("http://127.0.0.1:{port}/{vendor}");
        Self { base_url, port, calls, stopping }
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
    }
}

fn read(stream: &TcpStream, prefix: &str) -> Option<Call> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = find(&headers, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Call {
        method,
        path: path.strip_prefix(prefix).unwrap_or(path).to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers,
        body: String::from_utf8(body).ok()?,
    })
}

fn write(mut stream: TcpStream, answer: &Answer) -> std::io::Result<()> {
    let whole = answer.body.as_bytes();
    let half = &whole[..whole.len() / 2];
    let (length, body) = match answer.end {
        End::Whole => (whole.len(), whole),
        End::Truncated => (whole.len().max(1), half),
        End::Shortened => (half.len(), half),
        End::Closed => return stream.shutdown(Shutdown::Both),
    };
    let mut head = format!("HTTP/1.1 {} Said\r\nconnection: close\r\n", answer.status);
    let length = ("content-length".to_owned(), length.to_string());
    for (name, value) in answer.headers.iter().chain([&length]) {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if !answer.headers.iter().any(|(name, _)| name == "content-type") {
        head.push_str("content-type: application/json\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)?;
    stream.shutdown(Shutdown::Both)
}
