//! The Markdown of a test file: a title, cases, tables given and expected.

use crate::{Error, Result};

/// A file.
#[derive(Debug)]
pub(super) struct TestFile {
    pub(super) title: String,
    pub(super) cases: Vec<Case>,
}

/// A case.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) given: Vec<TestTable>,
    pub(super) expect: Vec<TestTable>,
}

/// A table of a case, all text.
#[derive(Debug)]
pub(super) struct TestTable {
    pub(super) name: String,
    /// Of the line that names it, from 1.
    pub(super) line: usize,
    pub(super) ordered: bool,
    pub(super) columns: Vec<String>,
    /// Index of the line of the first row, from 0.
    pub(super) first_row: usize,
    pub(super) rows: Vec<Vec<String>>,
}

impl TestFile {
    pub(super) fn parse(path: &str, text: &str) -> Result<Self> {
        let wrong = |at: usize, message: String| Error::TestFile {
            path: path.to_owned(),
            line: at + 1,
            message,
        };
        let mut file = Self { title: String::new(), cases: Vec::new() };
        let mut lines = text.lines().enumerate().peekable();
        while let Some((at, line)) = lines.next() {
            if let Some(title) = line.strip_prefix("# ") {
                title.trim().clone_into(&mut file.title);
            } else if let Some(name) = line.strip_prefix("## case:") {
                file.cases.push(Case::new(name.trim(), at));
            } else if let Some((is_given, rest)) = line
                .strip_prefix("given ")
                .map(|rest| (true, rest))
                .or_else(|| line.strip_prefix("expect ").map(|rest| (false, rest)))
                .filter(|(_, rest)| rest.starts_with('`'))
            {
                let (name, ordered) =
                    heading(rest).ok_or_else(|| wrong(at, format!("`{line}` is no heading")))?;
                while lines.next_if(|(_, line)| line.trim().is_empty()).is_some() {}
                let Some((_, header)) = lines.next_if(|(_, line)| line.starts_with('|')) else {
                    return Err(wrong(at, format!("`{name}` is not followed by a table")));
                };
                let columns = cells(header);
                let Some((rule, _)) = lines.next_if(|(_, line)| line.starts_with("| -")) else {
                    return Err(wrong(at, format!("`{name}` has no line under its header")));
                };
                let mut rows = Vec::new();
                while let Some((at, line)) = lines.next_if(|(_, line)| line.starts_with('|')) {
                    let row = cells(line);
                    if row.len() != columns.len() {
                        let message =
                            format!("{} cells under {} columns", row.len(), columns.len());
                        return Err(wrong(at, message));
                    }
                    rows.push(row);
                }
                let first_row = rule + 1;
                let line = at + 1;
                let table = TestTable { name, line, ordered, columns, first_row, rows };
                if file.cases.is_empty() {
                    let title = file.title.clone();
                    file.cases.push(Case::new(&title, at));
                }
                if let Some(case) = file.cases.last_mut() {
                    if is_given { case.given.push(table) } else { case.expect.push(table) }
                }
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
}

impl Case {
    fn new(name: &str, at: usize) -> Self {
        Self { name: name.to_owned(), line: at + 1, given: Vec::new(), expect: Vec::new() }
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
