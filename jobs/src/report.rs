//! The only printer: results on stdout, everything for people on stderr.
//!
//! On a terminal there are bars while something runs; elsewhere plain lines; with `--json` every
//! event is one JSON object a line on stdout. A reader that went away (a broken pipe) is no error:
//! what it no longer wants is dropped, and the work goes on.

use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// How it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    /// Lines, and bars on a terminal.
    People,
    /// One JSON object a line.
    Machine,
}

/// Prints. Clones print to the same place.
#[derive(Debug, Clone)]
pub struct Printer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    voice: Voice,
    is_quiet: bool,
    bars: Option<MultiProgress>,
    is_reader_gone: AtomicBool,
}

/// A line that changes while something runs; gone when dropped.
#[derive(Debug)]
pub struct Progress {
    bar: Option<(MultiProgress, ProgressBar)>,
}

impl Printer {
    /// A printer for this process.
    pub fn new(is_json: bool, is_quiet: bool) -> Self {
        let voice = if is_json { Voice::Machine } else { Voice::People };
        let has_bars = voice == Voice::People && !is_quiet && io::stderr().is_terminal();
        let bars = has_bars.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        let is_reader_gone = AtomicBool::new(false);
        Self { inner: Arc::new(Inner { voice, is_quiet, bars, is_reader_gone }) }
    }

    /// A printer that says nothing, for tests.
    pub fn silent() -> Self {
        let printer = Self::new(false, true);
        printer.inner.is_reader_gone.store(true, Ordering::Relaxed);
        printer
    }

    /// Whether it speaks JSON.
    pub fn is_machine(&self) -> bool {
        self.inner.voice == Voice::Machine
    }

    /// Whether nobody reads stdout any more.
    pub fn is_reader_gone(&self) -> bool {
        self.inner.is_reader_gone.load(Ordering::Relaxed)
    }

    /// A result for people, one line or several.
    pub fn result(&self, text: impl Display) {
        if self.inner.voice == Voice::People {
            self.stdout(format!("{text}\n").as_bytes());
        }
    }

    /// Data that another program may read, as it is.
    ///
    /// # Errors
    /// When stdout cannot be written, save that nobody reads it.
    pub fn data(&self, bytes: &[u8]) -> io::Result<()> {
        if self.is_reader_gone() {
            return Ok(());
        }
        let write = || {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()
        };
        let written = match &self.inner.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.inner.is_reader_gone.store(true, Ordering::Relaxed);
                Ok(())
            }
            other => other,
        }
    }

    fn stdout(&self, bytes: &[u8]) {
        if let Err(error) = self.data(bytes) {
            tracing::error!(%error, "stdout cannot be written");
        }
    }

    /// A word about what is going on, for people.
    pub fn note(&self, text: impl Display) {
        if self.inner.voice == Voice::People && !self.inner.is_quiet {
            self.stderr(format!("{text}\n"));
        }
    }

    /// An event, for machines.
    pub fn event(&self, name: &str, fields: Value) {
        if self.inner.voice != Voice::Machine {
            return;
        }
        let mut event = Map::new();
        event.insert("event".to_owned(), Value::from(name));
        if let Value::Object(fields) = fields {
            event.extend(fields);
        }
        self.stdout(format!("{}\n", Value::Object(event)).as_bytes());
    }

    /// A failure, on stderr.
    pub fn failure(&self, failure: &Failure) {
        let text = match self.inner.voice {
            Voice::People => render(failure),
            Voice::Machine => format!("{}\n", machine(failure)),
        };
        self.stderr(text);
    }

    /// A warning, on stderr, whatever the flags.
    pub fn warning(&self, text: impl Display) {
        match self.inner.voice {
            Voice::People => self.stderr(format!("warning: {text}\n")),
            Voice::Machine => {
                self.event("warning", serde_json::json!({ "message": text.to_string() }));
            }
        }
    }

    fn stderr(&self, text: String) {
        let write = || {
            // There is no other place to say that stderr is gone.
            let _lost = io::stderr().lock().write_all(text.as_bytes());
        };
        match &self.inner.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// A line that changes; nothing where there are no bars.
    pub fn progress(&self, name: &str) -> Progress {
        let bar = self.inner.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:32} {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            (bars.clone(), bar)
        });
        Progress { bar }
    }
}

impl Progress {
    /// Shows another text.
    pub fn update(&self, text: impl Display) {
        if let Some((_, bar)) = &self.bar {
            bar.set_message(text.to_string());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((bars, bar)) = &self.bar {
            bar.finish_and_clear();
            bars.remove(bar);
        }
    }
}

/// A failure as people read it.
pub fn render(failure: &Failure) -> String {
    let mut text = String::new();
    one(failure, &mut text);
    for more in failure.more() {
        text.push('\n');
        one(more, &mut text);
    }
    text
}

fn one(failure: &Failure, text: &mut String) {
    let mut line = |parts: [&str; 3]| {
        for part in parts {
            text.push_str(part);
        }
        text.push('\n');
    };
    line(["error: ", &failure.to_string(), ""]);
    if let Some(excerpt) = failure.excerpt() {
        line([excerpt, "", ""]);
    }
    for cause in failure.causes() {
        line(["  cause: ", &cause.lines().collect::<Vec<_>>().join(" "), ""]);
    }
    if let Some(kept) = failure.kept() {
        line(["  kept:  ", kept, ""]);
    }
    if let Some(hint) = failure.hint() {
        // Beside an excerpt the hint is part of the picture; else it stands apart.
        line([if failure.excerpt().is_some() { "" } else { "\n" }, "hint: ", hint]);
    }
}

/// A failure as machines read it.
pub fn machine(failure: &Failure) -> Value {
    serde_json::json!({
        "event": "error",
        "kind": failure.kind().as_str(),
        "exit_code": failure.kind().exit_code(),
        "message": failure.to_string(),
        "causes": failure.causes(),
        "kept": failure.kept(),
        "hint": failure.hint(),
        "more": failure.more().iter().map(machine).collect::<Vec<_>>(),
    })
}

/// A table as Markdown, which reads well on a terminal too; the columns of `right` stand right.
pub fn table<R>(header: &[&str], right: &[usize], rows: R) -> String
where
    R: IntoIterator<Item = Vec<String>>,
{
    let mut table = Table::new();
    table
        .load_preset(presets::ASCII_MARKDOWN)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table.add_rows(rows);
    for column in right {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    #[test]
    fn a_failure_reads_from_what_to_why_to_what_to_do() {
        let failure = Failure::new(Kind::Access, "job `nightly` stopped at `shopify.orders`")
            .with_cause("Shopify refused the token")
            .with_kept("12 pages")
            .with_hint("make a new token");
        assert_eq!(
            render(&failure),
            "error: job `nightly` stopped at `shopify.orders`\n  cause: Shopify refused the token\n  \
             kept:  12 pages\n\nhint: make a new token\n"
        );
        assert_eq!(machine(&failure)["exit_code"], 1);
    }

    #[test]
    fn an_excerpt_keeps_its_hint_close() {
        let failure = Failure::config("x.toml:1:1: unknown field `a`")
            .with_excerpt("1 | a = 1\n  | ^")
            .with_hint("did you mean `b`?");
        assert_eq!(
            render(&failure),
            "error: x.toml:1:1: unknown field `a`\n1 | a = 1\n  | ^\nhint: did you mean `b`?\n"
        );
    }

    #[test]
    fn a_table_is_markdown() {
        let text = table(&["name", "rows"], &[1], [vec!["a".to_owned(), "1,000".to_owned()]]);
        assert_eq!(text, "| name |  rows |\n|------|-------|\n| a    | 1,000 |");
    }
}
