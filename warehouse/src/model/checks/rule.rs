//! A check as its author writes it: an entry of `checks` in a model's header.
//!
//! An entry is a condition in SQL, or a table in braces on one line. Its first word says what is
//! held, the others how; `where` and `severity` may stand beside any of them.

use std::fmt;

use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::header::Severity;

/// A robust score from which a measure is an outlier (Iglewicz and Hoaglin).
const SCORE: Decimal = Decimal::from_parts(35, 0, 0, false, 1);
/// Builds that a measure is compared with.
const BUILDS: usize = 20;
/// Most builds that can be asked for: what is read of the history is bounded by it.
const MOST_BUILDS: usize = 400;
/// Builds that must be known before a measure can break its check.
const AFTER: usize = 7;

/// One entry of `checks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What must hold.
    pub test: Test,
    /// The rows it is about, as a condition; all of them by default.
    pub filter: Option<String>,
    /// What a failure does, when not what the model's `severity` says.
    pub severity: Option<Severity>,
}

/// What a rule holds a table to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// A condition over the columns of one row; false breaks it, null does not.
    Condition(String),
    /// These columns are never null.
    NotNull(Vec<String>),
    /// No two rows have the same values here; rows with a null are left out.
    Unique(Vec<String>),
    /// A column holds these values only, or null.
    Accepted {
        /// The column.
        column: String,
        /// What it may hold.
        values: Vec<Accepted>,
    },
    /// What stands in these columns stands in those of another model too; null is left out.
    References {
        /// Columns of the model.
        columns: Vec<String>,
        /// The other model.
        model: String,
        /// Columns there, in the same order.
        targets: Vec<String>,
    },
    /// How many rows there are.
    Rows {
        /// At least.
        at_least: Option<u64>,
        /// At most.
        at_most: Option<u64>,
    },
    /// The newest value of a column is not older than that, by the run's clock.
    Fresh {
        /// A timestamp or a date; a date counts from its end.
        column: String,
        /// As written: `36h`.
        within: String,
        /// The same.
        age: TimeDelta,
    },
    /// A measure stays near what it was in the builds before.
    Steady {
        /// What is measured.
        measure: Measure,
        /// The robust score from which it fails.
        score: Decimal,
        /// Builds it is compared with.
        builds: usize,
        /// Builds that must be known before it can fail.
        after: usize,
    },
}

/// A value that a column may hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Accepted {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

/// One number about a whole table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// How many rows there are.
    Rows,
    /// The sum of a column.
    Sum(String),
    /// The share of rows in which a column is null, from 0 to 1.
    Nulls(String),
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows => f.write_str("rows"),
            Self::Sum(column) => write!(f, "sum({column})"),
            Self::Nulls(column) => write!(f, "nulls({column})"),
        }
    }
}

/// The name of the check; of `not_null` with several columns that of all of them together.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::Condition(condition) => f.write_str(condition)?,
            Test::NotNull(columns) => write!(f, "not_null({})", columns.join(", "))?,
            Test::Unique(columns) => write!(f, "unique({})", columns.join(", "))?,
            Test::Accepted { column, .. } => write!(f, "accepted({column})")?,
            Test::References { columns, model, targets } => {
                let (columns, targets) = (columns.join(", "), targets.join(", "));
                write!(f, "references({columns}: {model}.{targets})")?;
            }
            Test::Rows { .. } => f.write_str("rows")?,
            Test::Fresh { column, .. } => write!(f, "fresh({column})")?,
            Test::Steady { measure, .. } => write!(f, "steady({measure})")?,
        }
        match &self.filter {
            Some(filter) => write!(f, " where {filter}"),
            None => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = Rule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a condition in SQL or a table like `{ unique = [\"a\", \"b\"] }`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Rule, E> {
                let test = Test::Condition(text.to_owned());
                Ok(Rule { test, filter: None, severity: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rule, A::Error> {
                let written = Written::deserialize(MapAccessDeserializer::new(map))?;
                written.rule().map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

/// The words that say what is held.
const TESTS: &str = "`condition`, `not_null`, `unique`, `accepted`, `references`, `rows`, `fresh` \
                     or `steady`";

/// A table in braces, word by word.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    condition: Option<String>,
    not_null: Option<Names>,
    unique: Option<Names>,
    accepted: Option<String>,
    references: Option<Names>,
    rows: Option<Bounds>,
    fresh: Option<String>,
    steady: Option<String>,

    values: Option<Vec<Value>>,
    column: Option<Names>,
    within: Option<String>,
    score: Option<Score>,
    builds: Option<usize>,
    after: Option<usize>,
    r#where: Option<String>,
    severity: Option<Severity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    at_least: Option<u64>,
    at_most: Option<u64>,
}

impl Written {
    fn rule(self) -> Result<Rule, String> {
        self.belongs()?;
        let Self { r#where: filter, severity, .. } = &self;
        let (filter, severity) = (filter.clone(), *severity);
        Ok(Rule { test: self.test()?, filter, severity })
    }

    /// Exactly one word says what is held, and the others are about it.
    fn belongs(&self) -> Result<(), String> {
        let tests = [
            ("condition", self.condition.is_some()),
            ("not_null", self.not_null.is_some()),
            ("unique", self.unique.is_some()),
            ("accepted", self.accepted.is_some()),
            ("references", self.references.is_some()),
            ("rows", self.rows.is_some()),
            ("fresh", self.fresh.is_some()),
            ("steady", self.steady.is_some()),
        ];
        let mut given = tests.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
        let (test, second) = (given.next(), given.next());
        let Some(test) = test else { return Err(format!("a check says what it holds: {TESTS}")) };
        if let Some(second) = second {
            return Err(format!("`{test}` and `{second}` are two checks: write two entries"));
        }
        let beside = [
            ("values", self.values.is_some(), "accepted"),
            ("column", self.column.is_some(), "references"),
            ("within", self.within.is_some(), "fresh"),
            ("score", self.score.is_some(), "steady"),
            ("builds", self.builds.is_some(), "steady"),
            ("after", self.after.is_some(), "steady"),
        ];
        match beside.iter().find(|(_, given, owner)| *given && *owner != test) {
            Some((word, _, owner)) => {
                Err(format!("`{word}` belongs to `{owner}`, and this check is `{test}`"))
            }
            None => Ok(()),
        }
    }

    fn test(self) -> Result<Test, String> {
        if let Some(condition) = self.condition {
            return Ok(Test::Condition(condition));
        }
        if let Some(columns) = self.not_null {
            return columns.some("not_null").map(Test::NotNull);
        }
        if let Some(columns) = self.unique {
            return columns.some("unique").map(Test::Unique);
        }
        if let Some(column) = self.accepted {
            let values = self.values.unwrap_or_default();
            if values.is_empty() {
                return Err("`accepted` needs `values = [..]`".to_owned());
            }
            let values = values.into_iter().map(|value| value.0).collect();
            return Ok(Test::Accepted { column, values });
        }
        if let Some(targets) = self.references {
            return references(&targets.some("references")?, self.column);
        }
        if let Some(Bounds { at_least, at_most }) = self.rows {
            return match (at_least, at_most) {
                (None, None) => Err("`rows` needs `at_least` or `at_most`".to_owned()),
                (Some(low), Some(high)) if low > high => {
                    Err(format!("at least {low} rows and at most {high} is never"))
                }
                _ => Ok(Test::Rows { at_least, at_most }),
            };
        }
        if let Some(column) = self.fresh {
            let within = self.within.ok_or("`fresh` needs `within`, like \"36h\"")?;
            let age = age(&within)?;
            return Ok(Test::Fresh { column, within, age });
        }
        let measure = measure(&self.steady.unwrap_or_default())?;
        let score = self.score.map_or(SCORE, |score| score.0);
        let builds = self.builds.unwrap_or(BUILDS);
        let after = self.after.unwrap_or(AFTER.min(builds));
        if score <= Decimal::ZERO {
            return Err("`score` is above 0".to_owned());
        }
        if !(3..=MOST_BUILDS).contains(&builds) || !(3..=builds).contains(&after) {
            return Err(format!("`after` is from 3 to `builds`, `builds` at most {MOST_BUILDS}"));
        }
        Ok(Test::Steady { measure, score, builds, after })
    }
}

/// `"fct_orders.order_id"`, or a list of such of one model.
fn references(targets: &[String], columns: Option<Names>) -> Result<Test, String> {
    let mut model = None;
    let mut named = Vec::with_capacity(targets.len());
    for target in targets {
        let parts = target.rsplit_once('.');
        let (owner, column) =
            parts.ok_or_else(|| format!("`{target}` is not `model.column`, like `dim_x.x_id`"))?;
        if *model.get_or_insert(owner) != owner {
            return Err("one check references one model".to_owned());
        }
        named.push(column.to_owned());
    }
    let model = model.unwrap_or_default().to_owned();
    let columns = match columns {
        Some(columns) => columns.some("column")?,
        None => named.clone(), // they are called the same
    };
    if columns.len() != named.len() {
        return Err("`references` and `column` name as many columns".to_owned());
    }
    Ok(Test::References { columns, model, targets: named })
}

/// `36h`, `2d`: a whole number of minutes, hours, days or weeks.
fn age(text: &str) -> Result<TimeDelta, String> {
    let wrong = || format!("`{text}` is no span of time; write `90m`, `36h`, `2d` or `1w`");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number: i64 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        'w' => 7 * 24 * 60,
        _ => return Err(wrong()),
    };
    let age = number.checked_mul(minutes).and_then(TimeDelta::try_minutes);
    age.filter(|age| *age > TimeDelta::zero()).ok_or_else(wrong)
}

fn measure(text: &str) -> Result<Measure, String> {
    let of = |word: &str| {
        let column = text.strip_prefix(word)?.strip_prefix('(')?.strip_suffix(')')?.trim();
        (!column.is_empty()).then(|| column.to_owned())
    };
    if text == "rows" {
        return Ok(Measure::Rows);
    }
    of("sum")
        .map(Measure::Sum)
        .or_else(|| of("nulls").map(Measure::Nulls))
        .ok_or_else(|| format!("`{text}` is no measure; write `rows`, `sum(x)` or `nulls(x)`"))
}

/// One name or a list of them.
struct Names(Vec<String>);

impl Names {
    fn some(self, word: &str) -> Result<Vec<String>, String> {
        if self.0.is_empty() { Err(format!("`{word}` names no column")) } else { Ok(self.0) }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl<'de> Visitor<'de> for Entry {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a list of names")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Names, E> {
                Ok(Names(vec![name.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

struct Value(Accepted);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl Visitor<'_> for Entry {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a whole number, true or false")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value(Accepted::Text(text.to_owned())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
                Ok(Value(Accepted::Integer(number)))
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
                Ok(Value(Accepted::Boolean(truth)))
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

/// A number as it is written: `4`, `3.5`.
struct Score(Decimal);

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entry;
        impl Visitor<'_> for Entry {
            type Value = Score;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Score, E> {
                Ok(Score(Decimal::from(number)))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Score, E> {
                // The shortest text of a float is what was written.
                let exact = number.to_string().parse();
                exact.map(Score).map_err(|_| E::custom("a score has a few digits only"))
            }
        }
        deserializer.deserialize_any(Entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Header {
        checks: Vec<Rule>,
    }

    fn one(entry: &str) -> Result<Rule, String> {
        let header = toml::from_str::<Header>(&format!("checks = [\n{entry},\n]"));
        header.map(|header| header.checks[0].clone()).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            format!("{}@{at}", error.message())
        })
    }

    #[test]
    fn every_kind_reads_and_names_itself() {
        let names = [
            (r#""a > 0""#, "a > 0"),
            (r#"{ condition = "a > 0", where = "b" }"#, "a > 0 where b"),
            (r#"{ not_null = ["a", "b"], severity = "warn" }"#, "not_null(a, b)"),
            (r#"{ unique = "a", where = "b = 1" }"#, "unique(a) where b = 1"),
            (r#"{ accepted = "basis", values = ["actual", "estimate"] }"#, "accepted(basis)"),
            (r#"{ references = "dim_x.x_id" }"#, "references(x_id: dim_x.x_id)"),
            (
                r#"{ references = ["fct_x.a", "fct_x.b"], column = ["c", "d"] }"#,
                "references(c, d: fct_x.a, b)",
            ),
            ("{ rows = { at_least = 1 } }", "rows"),
            (r#"{ fresh = "ordered_at", within = "36h" }"#, "fresh(ordered_at)"),
            (r#"{ steady = "sum(a)", score = 4.25, builds = 30 }"#, "steady(sum(a))"),
            (r#"{ steady = "nulls(a)" }"#, "steady(nulls(a))"),
        ];
        for (entry, name) in names {
            assert_eq!(one(entry).map(|rule| rule.to_string()), Ok(name.to_owned()), "{entry}");
        }
        let steady = one(r#"{ steady = "rows", score = 4.25, builds = 30, after = 4 }"#).unwrap();
        let expected = Test::Steady {
            measure: Measure::Rows,
            score: "4.25".parse().unwrap(),
            builds: 30,
            after: 4,
        };
        assert_eq!(steady.test, expected);
        let fresh = one(r#"{ fresh = "a", within = "2d" }"#).unwrap();
        assert!(matches!(fresh.test, Test::Fresh { age, .. } if age == TimeDelta::days(2)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_at_its_place() {
        let wrong = [
            (r#"{ uniqe = ["a"] }"#, "unknown field `uniqe`", 13),
            (r#"{ unique = "a", rows = { at_least = 1 } }"#, "are two checks", 11),
            (r#"{ severity = "warn" }"#, "a check says what it holds", 11),
            ("{ unique = [] }", "`unique` names no column", 11),
            (r#"{ unique = "a", within = "2d" }"#, "`within` belongs to `fresh`", 11),
            (r#"{ accepted = "a" }"#, "`accepted` needs `values", 11),
            (r#"{ accepted = "a", values = [1.5] }"#, "expected text, a whole number", 39),
            (r#"{ references = "dim_x" }"#, "is not `model.column`", 11),
            (r#"{ references = ["a.b", "c.d"] }"#, "references one model", 11),
            (r#"{ references = "a.b", column = ["c", "d"] }"#, "as many columns", 11),
            ("{ rows = {} }", "needs `at_least` or `at_most`", 11),
            ("{ rows = { atleast = 1 } }", "unknown field `atleast`", 22),
            ("{ rows = { at_least = 2, at_most = 1 } }", "is never", 11),
            (r#"{ fresh = "a" }"#, "`fresh` needs `within`", 11),
            (r#"{ fresh = "a", within = "2 days" }"#, "is no span of time", 11),
            (r#"{ fresh = "a", within = "-2d" }"#, "is no span of time", 11),
            (r#"{ steady = "count" }"#, "is no measure", 11),
            (r#"{ steady = "rows", after = 30 }"#, "`after` is from 3", 11),
            (r#"{ steady = "rows", score = 0 }"#, "`score` is above 0", 11),
            ("3", "expected a condition in SQL", 11),
        ];
        for (entry, message, at) in wrong {
            let found = one(entry).unwrap_err();
            assert!(found.contains(message), "{entry}: {found}");
            assert!(found.ends_with(&format!("@{at}")), "{entry}: {found}, expected @{at}");
        }
    }
}
