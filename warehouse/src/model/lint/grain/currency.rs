//! A sum over rows of several currencies: their table says each row's, and nothing fixes one.
//!
//! Grouped by a column of the table's key (the lines of an order by the order), the rows are parts
//! of one document and taken to be in one currency, unless the currency is in that key.

use super::super::super::finding::{Place, code};
use super::super::Subject;
use super::super::syntax::{Form, Syntax};
use super::relation::{Analysis, Instance, Sum};

pub(super) fn look(
    subject: &mut Subject<'_>,
    syntax: &mut Option<Syntax>,
    analysis: &Analysis<'_>,
    sum: &Sum,
) {
    if sum.function == "count" {
        return;
    }
    let closure = sum.dependencies.closure(sum.groups.iter().copied());
    // Whichever table's currency is fixed: the author thought of it.
    let is_fixed = analysis
        .instances
        .values()
        .flat_map(|instance| &instance.currencies)
        .any(|currency| closure.contains(*currency));
    if is_fixed {
        return;
    }
    let mixed = sum.money.iter().find_map(|row| {
        let instance = analysis.instances.get(row)?;
        let is_part = instance.key.iter().any(|column| closure.contains(*column));
        let is_open = !instance.currencies.is_empty() && !is_part && !sum.settled.contains(row);
        is_open.then_some(instance)
    });
    let Some(Instance { name, .. }) = mixed else { return };
    let syntax = syntax.get_or_insert_with(|| Syntax::of(&subject.model.statement));
    let place = syntax.place(&sum.argument, Form::Call, &sum.function).unwrap_or(Place::START);
    let whose = if name.is_empty() { String::new() } else { format!(" of `{name}`") };
    let message = format!("`{}` mixes currencies: each row{whose} has its own", sum.function);
    let hint = "group by `currency_code`, keep one currency by a filter, or convert first";
    subject.add(place, code::CURRENCIES, message, hint);
}
