//! The warehouse against the truth: every figure of every order line, and every cost without one.
//!
//! Both sides come sorted by line, so a million orders are compared in the memory of a batch. All
//! arithmetic is in whole numbers: the truth's cents times a hundred are the table's ten-thousandths.

use std::{
    collections::BTreeMap,
    fmt,
    io::{BufRead as _, BufReader},
    path::Path,
};

use arrow::{
    array::{Array, AsArray as _, Decimal128Array, RecordBatch},
    datatypes::Decimal128Type,
};
use futures::StreamExt as _;
use warehouse::ReadAt;

use crate::{
    failure::{Failure, Kind},
    quantity::{Grouped, counted},
    run::House,
};

/// Differences that are shown.
const SHOWN: usize = 10;
/// Columns of the truth that are no amounts.
const NAMES: [&str; 3] = ["order_id", "order_line_id", "basis"];

/// How the warehouse compares with the truth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    lines: u64,
    figures: u64,
    unattributed: u64,
    differences: u64,
    first: Vec<String>,
}

impl Comparison {
    /// Figures, lines and documents that are not equal.
    pub fn differences(&self) -> u64 {
        self.differences
    }

    /// For machines.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "lines": self.lines,
            "figures": self.figures,
            "unattributed": self.unattributed,
            "differences": self.differences,
            "first": self.first,
        })
    }

    /// # Errors
    /// A data failure when anything differs.
    pub fn verdict(&self) -> Result<(), Failure> {
        if self.differences == 0 {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Data,
            format!(
                "the warehouse differs from the truth in {}",
                counted(self.differences, "place")
            ),
        )
        .with_hint("compare `fct_order_line_costs` of a line above with `truth/order_lines.csv`"))
    }

    fn differ(&mut self, text: impl FnOnce() -> String) {
        self.differences += 1;
        if self.first.len() < SHOWN {
            self.first.push(text());
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.differences == 0 {
            write!(
                f,
                "every cent of every line equal: {}, {}, 0 differences; {} without a line equal too",
                counted(self.lines, "line"),
                counted(self.figures, "figure"),
                counted(self.unattributed, "cost")
            )
        } else {
            write!(
                f,
                "{} in {}, {}; the first:",
                counted(self.differences, "difference"),
                counted(self.lines, "line"),
                counted(self.figures, "figure")
            )?;
            self.first.iter().try_for_each(|line| write!(f, "\n  {line}"))
        }
    }
}

/// One line of the truth.
#[derive(Debug)]
struct TrueLine {
    order_id: String,
    line_id: u64,
    cents: Vec<i128>,
    basis: String,
}

/// The truth's lines, in the order of their ids.
struct TrueLines {
    lines: std::io::Lines<BufReader<fs_err::File>>,
    names: Vec<String>,
    last: u64,
}

impl TrueLines {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = fs_err::File::open(path).map_err(unreadable)?;
        let mut lines = BufReader::new(file).lines();
        let header = lines.next().transpose().map_err(unreadable)?.unwrap_or_default();
        let names = header.split(',').map(str::to_owned).collect();
        Ok(Self { lines, names, last: 0 })
    }

    /// The names of the amounts, in the order of a line's cents.
    fn amounts(&self) -> Vec<String> {
        self.names.iter().filter(|name| !NAMES.contains(&name.as_str())).cloned().collect()
    }

    fn next(&mut self) -> Result<Option<TrueLine>, Failure> {
        let Some(text) = self.lines.next().transpose().map_err(unreadable)? else {
            return Ok(None);
        };
        let damaged =
            || Failure::new(Kind::Bug, format!("the truth has a line that is none: `{text}`"));
        let mut line = TrueLine {
            order_id: String::new(),
            line_id: 0,
            cents: Vec::with_capacity(self.names.len()),
            basis: String::new(),
        };
        for (name, value) in self.names.iter().zip(text.split(',')) {
            match name.as_str() {
                "order_id" => value.clone_into(&mut line.order_id),
                "order_line_id" => line.line_id = value.parse().map_err(|_| damaged())?,
                "basis" => value.clone_into(&mut line.basis),
                _ => line.cents.push(value.parse().map_err(|_| damaged())?),
            }
        }
        if line.line_id <= self.last {
            return Err(Failure::new(Kind::Bug, "the truth is not sorted by order line"));
        }
        self.last = line.line_id;
        Ok(Some(line))
    }
}

/// Compares the release with the truth in `folder`.
///
/// # Errors
/// When either cannot be read; differences are no error here.
pub(super) async fn compare(house: &House, folder: &Path) -> Result<Comparison, Failure> {
    let mut comparison = Comparison::default();
    compare_lines(house, &folder.join("order_lines.csv"), &mut comparison).await?;
    compare_unattributed(house, &folder.join("unattributed.csv"), &mut comparison).await?;
    Ok(comparison)
}

async fn compare_lines(
    house: &House,
    path: &Path,
    comparison: &mut Comparison,
) -> Result<(), Failure> {
    let mut truth = TrueLines::open(path)?;
    let names = truth.amounts();
    let columns: Vec<String> = names.iter().map(|name| format!("{name}_amount")).collect();
    let sql = format!(
        "select order_id, order_line_id, cost_basis, {} from fct_order_lines order by cast(order_line_id as bigint)",
        columns.join(", ")
    );
    let mut rows = house.warehouse.query(&house.project, &sql, &ReadAt::default()).await?;
    let mut next = truth.next()?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| {
            Failure::new(Kind::Data, "`fct_order_lines` cannot be read")
                .with_cause(error.to_string())
        })?;
        let table = Lines::of(&batch)?;
        for row in 0..batch.num_rows() {
            let id = table.id(row)?;
            while let Some(line) = next.take_if(|line| line.line_id < id) {
                comparison.lines += 1;
                comparison.differ(|| format!("order line {} is missing", line.line_id));
                next = truth.next()?;
            }
            match next.take_if(|line| line.line_id == id) {
                Some(line) => {
                    table.compare(row, &line, &names, comparison);
                    next = truth.next()?;
                }
                None => comparison.differ(|| format!("order line {id} is not in the truth")),
            }
        }
    }
    while let Some(line) = next {
        comparison.lines += 1;
        comparison.differ(|| format!("order line {} is missing", line.line_id));
        next = truth.next()?;
    }
    Ok(())
}

/// A batch of `fct_order_lines`.
struct Lines<'a> {
    orders: &'a arrow::array::StringArray,
    ids: &'a arrow::array::StringArray,
    bases: &'a arrow::array::StringArray,
    amounts: Vec<&'a Decimal128Array>,
}

impl<'a> Lines<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, Failure> {
        let text =
            |name| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let amounts: Option<Vec<_>> = batch
            .columns()
            .iter()
            .skip(NAMES.len())
            .map(|column| column.as_primitive_opt::<Decimal128Type>().filter(|a| a.scale() == 4))
            .collect();
        match (text("order_id"), text("order_line_id"), text("cost_basis"), amounts) {
            (Some(orders), Some(ids), Some(bases), Some(amounts)) => {
                Ok(Self { orders, ids, bases, amounts })
            }
            _ => Err(Failure::new(Kind::Bug, "`fct_order_lines` has other types than it promises")),
        }
    }

    fn id(&self, row: usize) -> Result<u64, Failure> {
        let id = self.ids.value(row);
        id.parse().map_err(|_| Failure::new(Kind::Data, format!("`{id}` is no order line's id")))
    }

    fn compare(&self, row: usize, line: &TrueLine, names: &[String], comparison: &mut Comparison) {
        comparison.lines += 1;
        let id = line.line_id;
        if self.orders.value(row) != line.order_id {
            comparison.differ(|| format!("order line {id} belongs to another order"));
        }
        if self.bases.value(row) != line.basis {
            comparison.differ(|| {
                format!(
                    "order line {id}: basis is {}, truth says {}",
                    self.bases.value(row),
                    line.basis
                )
            });
        }
        for ((name, cents), amounts) in names.iter().zip(&line.cents).zip(&self.amounts) {
            comparison.figures += 1;
            let found = amounts.is_valid(row).then(|| amounts.value(row));
            if found != Some(cents * 100) {
                comparison.differ(|| {
                    let found = found.map_or_else(|| "null".to_owned(), money);
                    format!("order line {id}: {name} is {found}, truth says {}", money(cents * 100))
                });
            }
        }
    }
}

async fn compare_unattributed(
    house: &House,
    path: &Path,
    comparison: &mut Comparison,
) -> Result<(), Failure> {
    let mut truth: BTreeMap<String, i128> = BTreeMap::new();
    let text = fs_err::read_to_string(path).map_err(unreadable)?;
    for line in text.lines().skip(1) {
        let [source, document, component, cents, reason] =
            line.split(',').collect::<Vec<_>>().try_into().map_err(|_| {
                Failure::new(Kind::Bug, format!("the truth has a line that is none: `{line}`"))
            })?;
        let cents: i128 = cents
            .parse()
            .map_err(|_| Failure::new(Kind::Bug, format!("`{cents}` are no cents")))?;
        *truth.entry(format!("{source} {document} {component} ({reason})")).or_default() +=
            cents * 100;
    }
    let sql = "select source_system || ' ' || source_document_id || ' ' || component || ' (' || \
         unattributed_reason || ')' as name, cast(sum(margin_amount) as decimal(18, 4)) as amount \
         from fct_unattributed_costs group by name having sum(margin_amount) <> 0";
    let mut rows = house.warehouse.query(&house.project, sql, &ReadAt::default()).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| {
            Failure::new(Kind::Data, "`fct_unattributed_costs` cannot be read")
                .with_cause(error.to_string())
        })?;
        let (Some(names), Some(amounts)) = (
            batch.column_by_name("name").and_then(|column| column.as_string_opt::<i32>()),
            batch.column_by_name("amount").and_then(|c| c.as_primitive_opt::<Decimal128Type>()),
        ) else {
            return Err(Failure::new(Kind::Bug, "`fct_unattributed_costs` has other types"));
        };
        for row in 0..batch.num_rows() {
            comparison.unattributed += 1;
            let (name, found) = (names.value(row), amounts.value(row));
            let expected = truth.remove(name);
            if expected != Some(found) {
                comparison.differ(|| {
                    let expected = expected.map_or_else(|| "nothing".to_owned(), money);
                    format!("{name} is {}, truth says {expected}", money(found))
                });
            }
        }
    }
    for (name, expected) in truth {
        comparison.unattributed += 1;
        comparison.differ(|| format!("{name} is missing, truth says {}", money(expected)));
    }
    Ok(())
}

/// An amount in ten-thousandths: `-1,234.50`, with four digits only where it needs them.
fn money(amount: i128) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let amount = amount.unsigned_abs();
    let whole = Grouped(u64::try_from(amount / 10_000).unwrap_or(u64::MAX));
    let rest = amount % 10_000;
    if rest.is_multiple_of(100) {
        format!("{sign}{whole}.{:02}", rest / 100)
    } else {
        format!("{sign}{whole}.{rest:04}")
    }
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::of(&anyhow::Error::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_in_money_and_fails() {
        let mut comparison = Comparison { lines: 2, figures: 32, ..Comparison::default() };
        assert!(comparison.verdict().is_ok());
        assert!(
            comparison
                .to_string()
                .starts_with("every cent of every line equal: 2 lines, 32 figures, 0 differences")
        );
        comparison.differ(|| {
            format!("order line 1: ad_spend is {}, truth says {}", money(-12_345), money(-12_300))
        });
        assert_eq!(comparison.verdict().unwrap_err().kind().exit_code(), 1);
        assert!(comparison.to_string().ends_with("ad_spend is -1.2345, truth says -1.23"));
    }
}
