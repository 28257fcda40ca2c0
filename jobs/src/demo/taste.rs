//! The favourite family that the warehouse found for each customer, against the hidden one.
//!
//! It is an estimate and no sum: people buy gifts and try things. So it is told, beside what
//! guessing would find, and fails nothing.

use std::{
    collections::BTreeMap,
    fmt,
    io::{BufRead as _, BufReader},
    path::Path,
};

use arrow::array::AsArray as _;
use futures::StreamExt as _;
use rustc_hash::FxHashMap;
use warehouse::ReadAt;

use crate::{
    failure::{Failure, Kind},
    quantity::{Grouped, counted},
    run::House,
};

/// How often the warehouse was right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taste {
    /// Customers that the warehouse has a favourite family for.
    customers: u64,
    /// Of these, with the true one.
    right: u64,
    /// Of these, whose true family is the one that most have.
    guessed: u64,
}

impl Taste {
    /// For machines.
    pub(super) fn to_json(self) -> serde_json::Value {
        serde_json::json!({
            "customers": self.customers,
            "right": self.right,
            "guessed": self.guessed,
        })
    }
}

impl fmt::Display for Taste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "favourite family right for {} of {} ({}; guessing the commonest: {})",
            Grouped(self.right),
            counted(self.customers, "customer"),
            percent(self.right, self.customers),
            percent(self.guessed, self.customers),
        )
    }
}

fn percent(part: u64, whole: u64) -> String {
    let tenths = part.saturating_mul(1_000).checked_div(whole).unwrap_or(0);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Holds the first rank of `fct_customer_family_affinity` against the truth in `folder`.
///
/// # Errors
/// When either cannot be read.
pub(super) async fn compare(house: &House, folder: &Path) -> Result<Taste, Failure> {
    let truth = favourites(&folder.join("people.csv"))?;
    let sql = "select customer_id, design_family from fct_customer_family_affinity \
               where affinity_rank = 1";
    let mut rows = house.warehouse.query(&house.project, sql, &ReadAt::default()).await?;
    let mut taste = Taste::default();
    let mut of_family: BTreeMap<u16, u64> = BTreeMap::new();
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| {
            Failure::new(Kind::Data, "`fct_customer_family_affinity` cannot be read")
                .with_cause(error.to_string())
        })?;
        let text = |column: usize| batch.columns().get(column)?.as_string_opt::<i32>();
        let (Some(customers), Some(families)) = (text(0), text(1)) else {
            return Err(Failure::new(Kind::Bug, "`fct_customer_family_affinity` has other types"));
        };
        for (customer, family) in customers.iter().flatten().zip(families.iter().flatten()) {
            let Some(favourite) = customer.parse().ok().and_then(|id| truth.of.get(&id)) else {
                continue;
            };
            taste.customers += 1;
            taste.right += u64::from(truth.number(family) == Some(*favourite));
            *of_family.entry(*favourite).or_default() += 1;
        }
    }
    taste.guessed = of_family.into_values().max().unwrap_or(0);
    Ok(taste)
}

/// The true favourite of each customer, as a number: a million of them are a few megabytes.
#[derive(Debug, Default)]
struct Favourites {
    names: Vec<String>,
    of: FxHashMap<u64, u16>,
}

impl Favourites {
    fn number(&self, family: &str) -> Option<u16> {
        self.names.iter().position(|name| name == family).and_then(|at| u16::try_from(at).ok())
    }
}

fn favourites(path: &Path) -> Result<Favourites, Failure> {
    let unreadable = |error: std::io::Error| Failure::of(&anyhow::Error::new(error));
    let mut truth = Favourites::default();
    for line in BufReader::new(fs_err::File::open(path).map_err(unreadable)?).lines() {
        let line = line.map_err(unreadable)?;
        let mut cells = line.split(',');
        let (Some("customer"), Some(id), Some(_), Some(family)) =
            (cells.next(), cells.next(), cells.next(), cells.next())
        else {
            continue;
        };
        let number = truth.number(family).or_else(|| {
            truth.names.push(family.to_owned());
            u16::try_from(truth.names.len() - 1).ok()
        });
        if let (Ok(id), Some(number)) = (id.parse(), number) {
            truth.of.insert(id, number);
        }
    }
    Ok(truth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_beside_what_guessing_finds() {
        let taste = Taste { customers: 1_200, right: 900, guessed: 121 };
        assert_eq!(
            taste.to_string(),
            "favourite family right for 900 of 1,200 customers (75.0 %; guessing the commonest: 10.0 %)"
        );
        assert!(Taste::default().to_string().contains("0 of 0 customers (0.0 %"));
    }
}
