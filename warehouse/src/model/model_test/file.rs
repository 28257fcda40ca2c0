//! The Markdown of a test file: a title, cases, tables given and expected, a frozen time.
//!
//! Only four kinds of lines mean something (`## case:`, `given`, `expect`, `at`); all others are
//! prose, so a file reads as an explanation of what it shows.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use crate::{Error, Result};

/// A file of model tests.
#[derive(Debug, Clone)]
pub struct TestFile {
    /// As shown to people.
    pub path: String,
    /// Its title.
    pub title: String,
    pub(super) text: String,
    pub(super) cases: Vec<Case>,
}

/// A case.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) line: usize,
    /// The time that the case is at.
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) given: Vec<TestTable>,
    pub(super) expect: Vec<TestTable>,
}

/// A table of a case, all text.
#[derive(Debug, Clone)]
pub(super) struct TestTable {
    /// A model, or `raw.<source>.<stream>`.
    pub(super) name: String,
    /// The way to a CTE of the model; empty for the model itself.
    pub(super) cte: Vec<String>,
    /// Of the line that names it, from 1.
    pub(super) line: usize,
    pub(super) ordered: bool,
    pub(super) columns: Vec<String>,
    /// Index of the line of the first row, from 0.
    pub(super) first_row: usize,
    pub(super) rows: Vec<Vec<String>>,
}

impl TestTable {
    /// As the file names it.
    pub(super) fn title(&self) -> String {
        let parts = std::iter::once(&self.name).chain(&self.cte);
        parts.map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

/// What a line means.
enum Line<'a> {
    Title(&'a str),
    Case(&'a str),
    Given(&'a str),
    Expect(&'a str),
    At(&'a str),
    Prose,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let quoted = |word: &str| {
            let rest = line.get(word.len()..)?.strip_prefix(' ')?;
            let named = line.get(..word.len())?.eq_ignore_ascii_case(word);
            (named && rest.starts_with('`')).then_some(rest)
        };
        if let Some(title) = line.strip_prefix("# ") {
            Self::Title(title.trim())
        } else if let Some(name) = line.strip_prefix("## case:") {
            Self::Case(name.trim())
        } else if let Some(rest) = quoted("given") {
            Self::Given(rest)
        } else if let Some(rest) = quoted("expect") {
            Self::Expect(rest)
        } else if let Some(rest) = quoted("at") {
            Self::At(rest)
        } else {
            Self::Prose
        }
    }
}

impl TestFile {
    /// Whether a text has a case; a Markdown file without one is no test.
    pub fn is_test(text: &str) -> bool {
        text.lines()
            .any(|line| matches!(Line::of(line), Line::Case(_) | Line::Given(_) | Line::Expect(_)))
            || text.lines().any(is_almost_heading)
    }

    /// Reads a file. `path` is only shown.
    ///
    /// Fails with [`Error::TestFile`].
    pub fn parse(path: &str, text: &str) -> Result<Self> {
        let wrong = |at: usize, message: String| Error::TestFile {
            path: path.to_owned(),
            line: at + 1,
            message,
        };
        let mut file = Self {
            path: path.to_owned(),
            title: String::new(),
            text: text.to_owned(),
            cases: Vec::new(),
        };
        let mut time_of_all = None;
        let mut lines = text.lines().enumerate().peekable();
        while let Some((at, line)) = lines.next() {
            let (is_given, rest) = match Line::of(line) {
                Line::Prose if is_almost_heading(line) => {
                    let message = "a table is headed by a line that begins with given or expect";
                    return Err(wrong(at, format!("{message}, and not by `{line}`")));
                }
                Line::Prose => continue,
                Line::Title(title) => {
                    title.clone_into(&mut file.title);
                    continue;
                }
                Line::Case(name) => {
                    file.cases.push(Case::new(name, at, time_of_all));
                    continue;
                }
                Line::At(rest) => {
                    let time = time(rest).ok_or_else(|| {
                        wrong(at, format!("`{line}` is no time; write at `2026-11-01T06:00:00Z`"))
                    })?;
                    match file.cases.last_mut() {
                        Some(case) => case.at = Some(time),
                        None => time_of_all = Some(time),
                    }
                    continue;
                }
                Line::Given(rest) => (true, rest),
                Line::Expect(rest) => (false, rest),
            };
            let (title, ordered) =
                heading(rest).ok_or_else(|| wrong(at, format!("`{line}` is no heading")))?;
            let (name, cte) = parts(&title);
            if is_given && !cte.is_empty() {
                let message =
                    format!("`{title}` is within `{name}`, which is computed; give what it reads");
                return Err(wrong(at, message));
            }
            while lines.next_if(|(_, line)| line.trim().is_empty()).is_some() {}
            let Some((_, header)) = lines.next_if(|(_, line)| line.starts_with('|')) else {
                return Err(wrong(at, format!("`{title}` is not followed by a table")));
            };
            let columns = cells(header);
            let mut known = BTreeSet::new();
            if let Some(twice) = columns.iter().find(|column| !known.insert(*column)) {
                return Err(wrong(at, format!("`{title}` has two columns `{twice}`")));
            }
            let Some((rule, _)) = lines.next_if(|(_, line)| is_rule(line)) else {
                return Err(wrong(at, format!("`{title}` has no line under its header")));
            };
            let mut rows = Vec::new();
            while let Some((at, line)) = lines.next_if(|(_, line)| line.starts_with('|')) {
                let row = cells(line);
                if row.len() != columns.len() {
                    let message = format!("{} cells under {} columns", row.len(), columns.len());
                    return Err(wrong(at, message));
                }
                rows.push(row);
            }
            let (first_row, line) = (rule + 1, at + 1);
            let table = TestTable { name, cte, line, ordered, columns, first_row, rows };
            if file.cases.is_empty() {
                let title = file.title.clone();
                file.cases.push(Case::new(&title, at, time_of_all));
            }
            if let Some(case) = file.cases.last_mut() {
                let tables = if is_given { &mut case.given } else { &mut case.expect };
                if tables.iter().any(|other| other.name == table.name && other.cte == table.cte) {
                    let word = if is_given { "given" } else { "expected" };
                    return Err(wrong(at, format!("`{title}` is {word} twice in one case")));
                }
                tables.push(table);
            }
        }
        if let Some(case) = file.cases.iter().find(|case| case.expect.is_empty()) {
            let message = format!("case `{}` expects nothing", case.name);
            return Err(wrong(case.line - 1, message));
        }
        if file.cases.is_empty() {
            return Err(wrong(0, "there is no case".to_owned()));
        }
        Ok(file)
    }

    /// Keeps the cases that expect rows of one of the models.
    #[must_use]
    pub fn expecting(mut self, models: &BTreeSet<&str>) -> Self {
        self.cases
            .retain(|case| case.expect.iter().any(|table| models.contains(table.name.as_str())));
        self
    }

    /// How many cases it has.
    pub fn case_count(&self) -> usize {
        self.cases.len()
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &TestTable> {
        self.cases.iter().flat_map(|case| case.given.iter().chain(&case.expect))
    }
}

impl Case {
    fn new(name: &str, line: usize, at: Option<DateTime<Utc>>) -> Self {
        let (given, expect) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), line: line + 1, at, given, expect }
    }
}

/// `` `name`: `` or `` `name` ordered: ``
fn heading(rest: &str) -> Option<(String, bool)> {
    let mut parts = rest.splitn(3, '`').skip(1);
    let name = parts.next()?;
    let ordered = match parts.next()?.trim().trim_end_matches(':').trim() {
        "" => false,
        "ordered" => true,
        _ => return None,
    };
    Some((name.to_owned(), ordered))
}

/// A table, and the way from it to a CTE.
fn parts(title: &str) -> (String, Vec<String>) {
    if title.starts_with("raw.") {
        return (title.to_owned(), Vec::new());
    }
    let mut parts = title.split('.').map(str::to_owned);
    (parts.next().unwrap_or_default(), parts.collect())
}

/// `` `2026-11-01T06:00:00Z` ``, or `` `2026-11-01` `` for the start of that day.
fn time(rest: &str) -> Option<DateTime<Utc>> {
    let mut parts = rest.splitn(3, '`').skip(1);
    let text = parts.next()?;
    if !matches!(parts.next()?.trim(), "" | ":" | ".") {
        return None;
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
}

/// The line under a header: bars, dashes, and colons that align.
fn is_rule(line: &str) -> bool {
    line.starts_with('|')
        && line.contains('-')
        && line.chars().all(|letter| matches!(letter, '|' | '-' | ':') || letter.is_whitespace())
}

/// Whether a line is meant to head a table and is not read so: `- expect ..` in a list, `Given: ..`.
fn is_almost_heading(line: &str) -> bool {
    let bare = line.trim_start_matches(|c: char| c.is_whitespace() || "-*+>#".contains(c));
    bare.split_once('`').is_some_and(|(word, _)| {
        let word = word.trim_end_matches([' ', ':']).to_ascii_lowercase();
        ["given", "expect", "expects", "expected"].contains(&word.as_str())
    })
}

/// Cells between bars; `\|` is a bar within a cell.
fn cells(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut letters = line.trim().chars().skip(1).peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.next_if_eq(&'|').is_some() => cell.push('|'),
            '|' => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            other => cell.push(other),
        }
    }
    cells
}
