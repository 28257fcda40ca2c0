//! Rows expected beside rows got, as people read them and as a file would have them.

use super::file::TestTable;

/// Rows shown of a difference.
const SHOWN: usize = 20;

/// A row of a table, cell by cell, as in a file.
pub(super) type Row = Vec<String>;

/// The lines that a file would have for `actual`. Rows that were expected keep their place, so that
/// a rewrite is a small change.
pub(super) fn rewritten(table: &TestTable, expected: &[Row], mut actual: Vec<Row>) -> Vec<String> {
    if !table.ordered {
        actual.sort();
        let place = |row: &Row| expected.iter().position(|other| other == row);
        actual.sort_by_key(|row| place(row).unwrap_or(usize::MAX));
    }
    actual.iter().map(|row| line_of(row)).collect()
}

fn line_of(row: &[String]) -> String {
    let mut line = "|".to_owned();
    for cell in row {
        line.push(' ');
        line.push_str(cell);
        if !cell.is_empty() {
            line.push(' ');
        }
        line.push('|');
    }
    line
}

/// What is expected but not there (`-`), and there but not expected (`+`).
pub(super) fn differ(table: &TestTable, expected: &[Row], actual: &[Row]) -> Option<String> {
    let mut marked: Vec<(&str, &Row)> = Vec::new();
    let equal;
    if table.ordered {
        equal = expected.iter().zip(actual).filter(|(a, b)| a == b).count();
        for at in 0..expected.len().max(actual.len()) {
            let (wanted, got) = (expected.get(at), actual.get(at));
            if wanted != got {
                marked.extend(wanted.map(|row| ("-", row)));
                marked.extend(got.map(|row| ("+", row)));
            }
        }
    } else {
        let mut left: Vec<&Row> = actual.iter().collect();
        for row in expected {
            match left.iter().position(|other| *other == row) {
                Some(at) => drop(left.swap_remove(at)),
                None => marked.push(("-", row)),
            }
        }
        left.sort();
        equal = actual.len() - left.len();
        marked.extend(left.into_iter().map(|row| ("+", row)));
        // A row that is nearly right stands next to what it should be.
        marked.sort_by(|(a, x), (b, y)| (x.first(), *a == "+").cmp(&(y.first(), *b == "+")));
    }
    if marked.is_empty() {
        return None;
    }
    let mut text = format!(
        "line {}: `{}` differs: {equal} {} as expected; `-` is missing, `+` is there instead",
        table.line,
        table.title(),
        if equal == 1 { "row" } else { "rows" }
    );
    let widths: Vec<usize> = (0..table.columns.len())
        .map(|n| {
            let cells = marked.iter().take(SHOWN).filter_map(|(_, row)| row.get(n));
            let cells = cells.chain(table.columns.get(n));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut put = |mark: &str, row: &[String]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join(" | ");
        for part in ["\n", mark, " | ", &line, " |"] {
            text.push_str(part);
        }
    };
    put(" ", &table.columns);
    for (mark, row) in marked.iter().take(SHOWN) {
        put(mark, row);
    }
    let more = marked.len().saturating_sub(SHOWN);
    Some(if more > 0 { format!("{text}\n  .. and {more} more") } else { text })
}
