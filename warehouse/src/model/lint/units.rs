//! Values of two units that meet: dollars and euros, amounts and cents, money and counts.
//!
//! The unit is in the name, as `sql/README.md` asks for: `_amount`, `_minor`, `_rate`, `_count`,
//! `total_amount_usd`. What has no unit in its name fits everything, and so does a product with a
//! number or any quotient, since these are how one converts.

use datafusion::sql::sqlparser::ast::{self, BinaryOperator, Expr};

use super::super::finding::{Place, code};
use super::Subject;
use super::syntax::{Node, arguments, bare, branches, column_name, function_name, item, start};

/// What a number counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unit {
    /// Money in whole units of the currency, where the name tells it.
    Money(Option<String>),
    /// Money in the currency's smallest unit.
    Minor,
    /// Money in millionths.
    Micros,
    /// A part of one.
    Rate,
    /// A part of a hundred.
    Percent,
    /// Things.
    Count,
    /// Time.
    Time(&'static str),
}

/// Currencies that a column's name may tell, save those that are words too.
const CURRENCIES: [&str; 34] = [
    "usd", "eur", "gbp", "cad", "aud", "nzd", "jpy", "chf", "sek", "nok", "dkk", "pln", "czk",
    "huf", "ron", "bgn", "isk", "uah", "ils", "aed", "sar", "inr", "cny", "hkd", "sgd", "krw",
    "thb", "idr", "myr", "php", "vnd", "mxn", "brl", "zar",
];

/// Which money of one order Shopify means: the buyer's or the shop's.
const SIDES: [&str; 2] = ["presentment", "reporting"];

const TIMES: [(&str, &str); 8] = [
    ("seconds", "seconds"),
    ("minutes", "minutes"),
    ("hours", "hours"),
    ("days", "days"),
    ("ms", "milliseconds"),
    ("millis", "milliseconds"),
    ("milliseconds", "milliseconds"),
    ("microseconds", "microseconds"),
];

impl Unit {
    /// The unit that a column's name tells.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let words: Vec<&str> = name.split('_').collect();
        let is_side = |word: &&&str| CURRENCIES.contains(*word) || SIDES.contains(*word);
        let side = || words.iter().find(is_side).map(|word| (*word).to_owned());
        let (last, before) = words.split_last()?;
        match *last {
            // Alone it is a vendor's word, and may be cents.
            "amount" if !before.is_empty() => Some(Self::Money(side())),
            "minor" | "cents" => Some(Self::Minor),
            "micros" => Some(Self::Micros),
            "rate" | "ratio" | "share" => Some(Self::Rate),
            "percent" | "pct" => Some(Self::Percent),
            "count" | "quantity" => Some(Self::Count),
            last if CURRENCIES.contains(&last) && !before.is_empty() => match before.last() {
                Some(&"minor" | &"cents") => Some(Self::Minor),
                Some(&"rate") => Some(Self::Rate),
                Some(&"to" | &"per" | &"in" | &"is") => None,
                _ => Some(Self::Money(side())),
            },
            last => {
                let time = TIMES.iter().find(|(word, _)| *word == last)?;
                Some(Self::Time(time.1))
            }
        }
    }

    fn is_at_odds_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Money(Some(one)), Self::Money(Some(other))) => one != other,
            (Self::Money(_), Self::Money(_)) => false,
            (one, other) => one != other,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Money(None) => "an amount".to_owned(),
            Self::Money(Some(side)) if SIDES.contains(&side.as_str()) => {
                format!("an amount in {side} money")
            }
            Self::Money(Some(currency)) => format!("an amount in {}", currency.to_uppercase()),
            Self::Minor => "minor units".to_owned(),
            Self::Micros => "millionths".to_owned(),
            Self::Rate => "a rate".to_owned(),
            Self::Percent => "a percentage".to_owned(),
            Self::Count => "a count".to_owned(),
            Self::Time(unit) => (*unit).to_owned(),
        }
    }
}

/// The unit of an expression, as far as names tell it.
pub(super) fn unit(expr: &Expr) -> Option<Unit> {
    match expr {
        Expr::Nested(inner)
        | Expr::Cast { expr: inner, .. }
        | Expr::UnaryOp { expr: inner, .. } => unit(inner),
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::Plus | BinaryOperator::Minus => either(unit(left), unit(right)),
            BinaryOperator::Multiply => match (unit(left), unit(right)) {
                (Some(Unit::Money(side)), Some(Unit::Count))
                | (Some(Unit::Count), Some(Unit::Money(side))) => Some(Unit::Money(side)),
                // Perhaps converted.
                (Some(Unit::Money(_)), Some(Unit::Rate))
                | (Some(Unit::Rate), Some(Unit::Money(_))) => Some(Unit::Money(None)),
                _ => None,
            },
            _ => None,
        },
        Expr::Function(function) => of_call(function),
        Expr::Case { conditions, else_result, .. } => {
            let results = conditions.iter().map(|when| &when.result);
            results.chain(else_result.as_deref()).map(unit).fold(None, either)
        }
        other => column_name(other).and_then(Unit::of_name),
    }
}

fn of_call(function: &ast::Function) -> Option<Unit> {
    let arguments = arguments(function);
    let first = || arguments.first().and_then(|first| unit(first));
    match function_name(function).as_str() {
        "coalesce" | "ifnull" | "nvl" | "greatest" | "least" => {
            arguments.iter().map(|argument| unit(argument)).fold(None, either)
        }
        "nullif" | "sum" | "min" | "max" | "avg" | "abs" | "round" | "ceil" | "floor" | "trunc"
        | "first_value" | "last_value" | "lag" | "lead" => first(),
        "count" => Some(Unit::Count),
        "minor_to_amount" => match arguments.get(1).map(|currency| bare(currency)) {
            Some(Expr::Value(value)) => match &value.value {
                ast::Value::SingleQuotedString(code) => {
                    Some(Unit::Money(Some(code.to_lowercase())))
                }
                _ => Some(Unit::Money(None)),
            },
            _ => Some(Unit::Money(None)),
        },
        _ => None,
    }
}

/// The unit of two values that stand for one; none when they are at odds, which is said elsewhere.
fn either(one: Option<Unit>, other: Option<Unit>) -> Option<Unit> {
    match (one, other) {
        (Some(one), Some(other)) if one.is_at_odds_with(&other) => None,
        (Some(Unit::Money(None)) | None, Some(other)) => Some(other),
        (one, _) => one,
    }
}

pub(super) fn look(subject: &mut Subject<'_>, node: &Node<'_>) {
    match node {
        Node::Expression(expr) => in_expression(subject, expr),
        Node::Select(select) => {
            for (expr, name) in select.projection.iter().filter_map(item) {
                let named = name.and_then(Unit::of_name);
                if let (Some(given), Some(named), Some(name)) = (unit(expr), named, name)
                    && given.is_at_odds_with(&named)
                {
                    let message =
                        format!("{} is called `{name}`, which is {}", given.words(), named.words());
                    subject.add(start(expr), code::UNITS, message, hint(&given, &named));
                }
            }
        }
        Node::Query(query, _) => {
            let branches = branches(&query.body);
            let Some((first, others)) = branches.split_first() else { return };
            for (number, column) in first.projection.iter().enumerate() {
                let of_item = |(expr, name): (&Expr, Option<&str>)| {
                    unit(expr).or_else(|| name.and_then(Unit::of_name))
                };
                let Some(wanted) = item(column).and_then(of_item) else { continue };
                for other in others {
                    let Some(given) = other.projection.get(number).and_then(item) else { continue };
                    if let Some(unit) = of_item(given)
                        && unit.is_at_odds_with(&wanted)
                    {
                        let message = format!(
                            "{} comes into a column of which another branch makes {}",
                            unit.words(),
                            wanted.words()
                        );
                        subject.add(start(given.0), code::UNITS, message, hint(&unit, &wanted));
                    }
                }
            }
        }
    }
}

fn in_expression(subject: &mut Subject<'_>, expr: &Expr) {
    match expr {
        Expr::BinaryOp { left, op, right } => {
            let verb = match op {
                BinaryOperator::Plus => "is added to",
                BinaryOperator::Minus => "is less",
                BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq => "is compared with",
                _ => return,
            };
            pair(subject, start(expr), left, verb, right);
        }
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
            pair(subject, start(expr), left, "is compared with", right);
        }
        Expr::Between { expr: value, low, high, .. } => {
            pair(subject, start(expr), value, "is compared with", low);
            pair(subject, start(expr), value, "is compared with", high);
        }
        Expr::InList { expr: value, list, .. } => {
            for other in list {
                pair(subject, start(expr), value, "is compared with", other);
            }
        }
        Expr::Function(function) => {
            let stands_in =
                ["coalesce", "ifnull", "nvl", "nullif", "greatest", "least"].map(str::to_owned);
            if stands_in.contains(&function_name(function)) {
                alternatives(subject, start(expr), &arguments(function));
            }
        }
        Expr::Case { conditions, else_result, .. } => {
            let results: Vec<&Expr> =
                conditions.iter().map(|when| &when.result).chain(else_result.as_deref()).collect();
            alternatives(subject, start(expr), &results);
        }
        _ => {}
    }
}

/// Values of which one is taken.
fn alternatives(subject: &mut Subject<'_>, place: Place, values: &[&Expr]) {
    if let Some((first, others)) = values.split_first() {
        for other in others {
            pair(subject, place, first, "stands in for", other);
        }
    }
}

fn pair(subject: &mut Subject<'_>, place: Place, left: &Expr, verb: &str, right: &Expr) {
    if let (Some(one), Some(other)) = (unit(left), unit(right))
        && one.is_at_odds_with(&other)
    {
        let message = format!("{} {verb} {}", one.words(), other.words());
        subject.add(place, code::UNITS, message, hint(&one, &other));
    }
}

fn hint(one: &Unit, other: &Unit) -> &'static str {
    match (one, other) {
        (Unit::Money(_), Unit::Money(_)) => "convert one of them by a dated exchange rate first",
        (Unit::Minor, _) | (_, Unit::Minor) => {
            "`minor_to_amount(minor, currency_code)` makes an amount of minor units"
        }
        (Unit::Micros, _) | (_, Unit::Micros) => "divide millionths by 1000000 first",
        (Unit::Rate, Unit::Percent) | (Unit::Percent, Unit::Rate) => {
            "a rate is a part of one: divide the percentage by 100"
        }
        _ => "bring both to one unit, or give the column the name of what it holds",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_unit_and_a_word_is_no_currency() {
        let money = |side: &str| Some(Unit::Money(Some(side.to_owned())));
        assert_eq!(Unit::of_name("total_amount"), Some(Unit::Money(None)));
        assert_eq!(Unit::of_name("total_amount_usd"), money("usd"));
        assert_eq!(Unit::of_name("eur_shipping_amount"), money("eur"));
        assert_eq!(Unit::of_name("revenue_gbp"), money("gbp"));
        assert_eq!(Unit::of_name("cost_minor"), Some(Unit::Minor));
        assert_eq!(Unit::of_name("eur_rate"), Some(Unit::Rate));
        assert_eq!(Unit::of_name("usd"), None);
        assert_eq!(Unit::of_name("rate_to_usd"), None);
        assert_eq!(Unit::of_name("try_count"), Some(Unit::Count));
        assert_eq!(Unit::of_name("top_amount"), Some(Unit::Money(None)));
        assert_eq!(Unit::of_name("order_id"), None);
        assert_eq!(Unit::of_name("amount"), None);
    }
}
