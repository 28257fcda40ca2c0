//! What is wrong in a project's files: a stable code, a place, a sentence, a hint.
//!
//! Codes never change their meaning; the table is in the crate's README.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Stable codes of findings.
pub mod code {
    /// No prose above the header, or no header.
    pub const DESCRIPTION: &str = "E001";
    /// The header is no TOML, or has an unknown key or a value of the wrong type.
    pub const HEADER: &str = "E002";
    /// The header contradicts itself or the model's folder.
    pub const CONTRADICTION: &str = "E003";
    /// The SQL does not parse, or is not one `select`.
    pub const SYNTAX: &str = "E004";
    /// The file's name does not fit its folder.
    pub const NAME: &str = "E005";
    /// Models read each other in a circle.
    pub const CYCLE: &str = "E006";
    /// A model reads a layer that it must not read.
    pub const LAYER: &str = "E007";
    /// No such table.
    pub const TABLE: &str = "E010";
    /// No such column.
    pub const COLUMN: &str = "E011";
    /// No such function, or not with these arguments.
    pub const FUNCTION: &str = "E012";
    /// The engine cannot plan it for another reason.
    pub const PLAN: &str = "E013";
    /// A sort-merge join on a timestamp with a zone, which fails when it runs.
    pub const JOIN_ON_TIMESTAMP: &str = "E014";
    /// Values of types that do not belong together: text with a number, money with a float.
    pub const MISMATCH: &str = "E015";
    /// A column's type or name cannot be stored, or two columns have one name.
    pub const TYPE: &str = "E020";
    /// Money or a rate is a float.
    pub const FLOAT: &str = "E021";
    /// Money is not `decimal(18, 4)`.
    pub const AMOUNT: &str = "E022";
    /// A rate is not `decimal(18, 8)`.
    pub const RATE: &str = "E023";
    /// A decimal is neither.
    pub const DECIMAL: &str = "E024";
    /// `key`, `not_null` or `sort_by` names a column that the model does not have.
    pub const HEADER_COLUMN: &str = "E030";
    /// A check does not plan, or is no condition.
    pub const CHECK: &str = "E031";
    /// A `fct_`, `dim_` or `agg_` names no key.
    pub const NO_KEY: &str = "E032";
    /// The columns are not those that the header's `columns` promises.
    pub const CONTRACT: &str = "E033";
    /// A check compares with a model or column that does not exist, or whose type differs.
    pub const CHECK_REFERENCE: &str = "E034";
    /// The columns of `changed_by` can be followed to no input: every build computes all rows.
    pub const UNREACHED: &str = "E035";
    /// A sum after a join that repeats what is summed.
    pub const FAN_OUT: &str = "E040";
    /// Amounts of two currencies, or values of two units, meet.
    pub const UNITS: &str = "E041";
    /// A sum over rows of several currencies.
    pub const CURRENCIES: &str = "E042";
    /// An exchange rate that is not known counts as 1.
    pub const RATE_OF_ONE: &str = "E043";
    /// A ratio is averaged or added up.
    pub const RATIO: &str = "E044";
    /// A clock or chance: the same input gives another table.
    pub const CHANCE: &str = "E045";
    /// The result depends on the order of rows, which nothing fixes.
    pub const ORDER: &str = "E046";

    /// All of them.
    pub const ALL: [&str; 31] = [
        DESCRIPTION,
        HEADER,
        CONTRADICTION,
        SYNTAX,
        NAME,
        CYCLE,
        LAYER,
        TABLE,
        COLUMN,
        FUNCTION,
        PLAN,
        JOIN_ON_TIMESTAMP,
        MISMATCH,
        TYPE,
        FLOAT,
        AMOUNT,
        RATE,
        DECIMAL,
        HEADER_COLUMN,
        CHECK,
        NO_KEY,
        CONTRACT,
        CHECK_REFERENCE,
        UNREACHED,
        FAN_OUT,
        UNITS,
        CURRENCIES,
        RATE_OF_ONE,
        RATIO,
        CHANCE,
        ORDER,
    ];
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// One of [`code`].
    pub code: &'static str,
    /// The file, as it was given.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// A lower-case phrase without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, path, line, column, message, .. } = self;
        write!(f, "{path}:{line}:{column}: {message} [{code}]")
    }
}

/// A place in a file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte offset.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let tail = before.rsplit('\n').next().unwrap_or(before);
        Self { line, column: tail.chars().count() + 1 }
    }

    /// The first place of `word` in `text` that is not part of a longer word.
    pub(crate) fn of_word(text: &str, word: &str) -> Option<Self> {
        Self::of_words(text, word).next()
    }

    /// All such places.
    pub(crate) fn of_words(text: &str, word: &str) -> impl Iterator<Item = Self> {
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        let found = text.match_indices(word).filter(move |(at, found)| {
            let before = text.get(..*at).and_then(|text| text.chars().next_back());
            let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
            !found.is_empty() && !before.is_some_and(inside) && !after.is_some_and(inside)
        });
        found.map(|(at, _)| Self::of(text, at))
    }

    pub(crate) fn finding(
        self,
        code: &'static str,
        path: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Finding {
        Finding {
            code,
            path: path.to_owned(),
            line: self.line,
            column: self.column,
            message: message.into(),
            hint,
        }
    }
}

/// The known name that was probably meant.
pub(crate) fn nearest<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let letters = letters(&wanted);
    let most = |name: &str| (name.len().max(wanted.len()) / 3).max(1);
    let mut candidates: Vec<(usize, usize, &str)> = known
        .into_iter()
        .enumerate()
        .map(|(number, name)| (least_distance(&letters, name), number, name))
        .filter(|(least, _, name)| *least <= most(name))
        .collect();
    // Among thousands of names only those are measured that may be nearer than the nearest so far.
    candidates.sort_unstable();
    let mut best: Option<(usize, usize, usize, &str)> = None;
    for (least, number, name) in candidates {
        if best.is_some_and(|(distance, ..)| least > distance) {
            break;
        }
        let distance = strsim::damerau_levenshtein(&wanted, &name.to_lowercase());
        let found = (distance, name.len(), number, name);
        if distance <= most(name) && best.is_none_or(|best| found < best) {
            best = Some(found);
        }
    }
    best.map(|(.., name)| name)
}

/// How often each letter stands in a text, in lower case; all that are not ASCII count as one.
fn letters(text: &str) -> [i32; 128] {
    let mut counts = [0; 128];
    for letter in text.chars() {
        let place = if letter.is_ascii() { letter.to_ascii_lowercase() } else { '\0' };
        if let Some(count) =
            usize::try_from(u32::from(place)).ok().and_then(|at| counts.get_mut(at))
        {
            *count += 1;
        }
    }
    counts
}

/// What the distance is at least: an edit adds one letter, takes one away, or both.
fn least_distance(wanted: &[i32; 128], name: &str) -> usize {
    let (mut missing, mut surplus) = (0, 0);
    for (wanted, given) in wanted.iter().zip(letters(name)) {
        missing += (wanted - given).max(0);
        surplus += (given - wanted).max(0);
    }
    usize::try_from(missing.max(surplus)).unwrap_or(0)
}

pub(crate) fn did_you_mean<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(wanted, known).map(|name| format!("did you mean `{name}`?"))
}

/// Names that there are, and what each wrong one was probably meant to be.
///
/// A table that is renamed is missed by everything that reads it, so each is looked for once.
pub(crate) struct Names<'a> {
    known: BTreeSet<&'a str>,
    near: Mutex<BTreeMap<String, Option<String>>>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(known: impl IntoIterator<Item = &'a str>) -> Self {
        Self { known: known.into_iter().collect(), near: Mutex::default() }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    pub(crate) fn did_you_mean(&self, wanted: &str) -> Option<String> {
        let mut near = self.near.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hint) = near.get(wanted) {
            return hint.clone();
        }
        let hint = did_you_mean(wanted, self.known.iter().copied());
        near.insert(wanted.to_owned(), hint.clone());
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_whole_and_counted_in_characters() {
        let text = "-- zażółć\nselect order_id, id\n";
        assert_eq!(Place::of_word(text, "id"), Some(Place { line: 2, column: 18 }));
        assert_eq!(Place::of_word(text, "order"), None);
        assert_eq!(Place::of_word("é id", "id"), Some(Place { line: 1, column: 3 }));
    }

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        let known = ["order_id", "customer_id", "ordered_at"];
        assert_eq!(nearest("oder_id", known), Some("order_id"));
        assert_eq!(nearest("currency", known), None);
        assert_eq!(nearest("ORDRE_ID", known), Some("order_id"), "letters change places");
        assert_eq!(nearest("zażółc", ["zażółć", "zazolc"]), Some("zażółć"));
        let names = Names::new(known);
        for _ in 0..2 {
            assert_eq!(names.did_you_mean("oder_id").as_deref(), Some("did you mean `order_id`?"));
            assert_eq!(names.did_you_mean("currency"), None);
        }
    }
}
