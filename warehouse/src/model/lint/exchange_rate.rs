//! An exchange rate that is not known and counts as 1: the euros of a refund become as many dollars.
//!
//! What a rate is called tells it (`exchange_rate`, `fx_rate`, `fx.rate`, `rate_to_usd`, a JSON field
//! of that name). A rate of 1 for a row already in the wanted currency is right and not reported.

use datafusion::sql::sqlparser::ast::{self, Expr};

use super::super::finding::code;
use super::Subject;
use super::syntax::{Node, arguments, bare, function_name, item, start, words};

const HINT: &str = "leave it null, so that the amount is missing and not wrong, and join the rate of \
                    the day; 1 is right only `when currency_code = ..` says so";

pub(super) fn look(subject: &mut Subject<'_>, node: &Node<'_>) {
    match node {
        Node::Expression(expr) => {
            if falls_back(expr, false) {
                report(subject, expr);
            } else if let Some(factor) = factor_of_an_amount(expr)
                && falls_back(factor, words(factor).iter().any(|word| is_of_a_currency(word)))
                && !falls_back(factor, false)
            {
                report(subject, factor);
            }
        }
        // The name that the result gets can tell what it is, too.
        Node::Select(select) => {
            for (expr, name) in select.projection.iter().filter_map(item) {
                if name.is_some_and(is_rate) && falls_back(bare(expr), true) {
                    report(subject, bare(expr));
                }
            }
        }
        Node::Query(..) => {}
    }
}

fn report(subject: &mut Subject<'_>, expr: &Expr) {
    let message = "an exchange rate that is not known counts as 1".to_owned();
    subject.add(start(expr), code::RATE_OF_ONE, message, HINT);
}

/// What an amount is multiplied with or divided by.
fn factor_of_an_amount(expr: &Expr) -> Option<&Expr> {
    let Expr::BinaryOp { left, op, right } = expr else { return None };
    let is_amount = |side: &Expr| words(side).iter().any(|word| word.ends_with("_amount"));
    match op {
        ast::BinaryOperator::Multiply | ast::BinaryOperator::Divide if is_amount(left) => {
            Some(bare(right))
        }
        ast::BinaryOperator::Multiply if is_amount(right) => Some(bare(left)),
        _ => None,
    }
}

fn falls_back(expr: &Expr, is_named_so: bool) -> bool {
    match expr {
        Expr::Function(function) => {
            let name = function_name(function);
            // `greatest` and `least` leave nulls out.
            let all = ["coalesce", "ifnull", "nvl", "nvl2", "greatest", "least"];
            if !all.contains(&name.as_str()) {
                return false;
            }
            let arguments = arguments(function);
            arguments.last().is_some_and(|last| is_one(last))
                && (is_named_so || arguments.iter().any(|argument| mentions_rate(argument)))
        }
        Expr::Case { conditions, else_result, .. } => {
            let whens = conditions.iter();
            let results = || whens.clone().map(|when| &when.result).chain(else_result.as_deref());
            if !is_named_so && !results().any(mentions_rate) {
                return false;
            }
            let missing =
                |when: &&ast::CaseWhen| is_one(&when.result) && tests_null(&when.condition);
            // The condition that comes before `else 1` says for which rows it is right.
            let by_currency =
                conditions.last().is_some_and(|when| mentions_currency(&when.condition));
            whens.clone().any(|when| missing(&when))
                || (else_result.as_deref().is_some_and(is_one) && !by_currency)
        }
        _ => false,
    }
}

fn is_one(expr: &Expr) -> bool {
    match bare(expr) {
        Expr::Value(value) => {
            let (ast::Value::Number(text, _) | ast::Value::SingleQuotedString(text)) = &value.value
            else {
                return false;
            };
            let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
            whole == "1" && rest.chars().all(|digit| digit == '0')
        }
        _ => false,
    }
}

fn tests_null(condition: &Expr) -> bool {
    match bare(condition) {
        Expr::IsNull(inner) => !mentions_currency(inner) || mentions_rate(inner),
        Expr::BinaryOp { left, right, .. } => tests_null(left) || tests_null(right),
        _ => false,
    }
}

fn mentions_currency(expr: &Expr) -> bool {
    words(expr).iter().any(|word| word.contains("currency") && !is_rate(word))
}

fn mentions_rate(expr: &Expr) -> bool {
    words(expr).iter().any(|word| is_rate(word))
}

/// Whether a name is that of an exchange rate.
fn is_rate(name: &str) -> bool {
    let name = name.to_lowercase();
    let has = |wanted: &[&str]| name.split('_').any(|word| wanted.contains(&word));
    has(&["rate", "rates", "factor"]) && is_of_a_currency(&name)
}

/// Whether a name speaks of currencies; what an amount is multiplied with is a rate then.
fn is_of_a_currency(name: &str) -> bool {
    let words =
        ["exchange", "exchanges", "currency", "fx", "forex", "usd", "eur", "gbp", "cad", "aud"];
    name.to_lowercase().split('_').any(|word| words.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_rate_is_known_by_its_name_and_other_rates_are_not() {
        for name in ["exchange_rate", "fx_rate", "rate_to_usd", "eur_rate", "exchange_rates_rate"] {
            assert!(is_rate(name), "{name}");
        }
        for name in ["conversion_rate", "cost_completeness_rate", "exchange_count", "rate", "usd"] {
            assert!(!is_rate(name), "{name}");
        }
    }
}
