//! What plans and is wrong all the same: sums that count twice, currencies that are mixed, chance.
//!
//! Most of it is read off the syntax, whose every expression knows its place. What needs types or
//! the grain of rows is read off the logical plan before the engine adds its casts, and brought
//! back to the syntax by the places of its columns. One file an idea; nothing here reads data.

mod chance;
mod contract;
mod exchange_rate;
mod grain;
mod order;
mod ratio;
mod syntax;
mod types;
mod units;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;

pub(crate) use self::grain::Grain;
use super::check::last_word;
use super::definition::Model;
use super::finding::{Finding, Place};

/// The grain of every table that was planned, by the name that SQL knows it by.
pub(crate) type Grains = BTreeMap<String, Arc<Grain>>;

/// One model under examination.
struct Subject<'a> {
    model: &'a Model,
    findings: Vec<Finding>,
}

impl Subject<'_> {
    /// Each finding once: a CTE that is read twice is planned twice.
    fn add(&mut self, place: Place, code: &'static str, message: String, hint: &str) {
        let known = |found: &Finding| {
            (found.code, found.line, found.column) == (code, place.line, place.column)
        };
        if !self.findings.iter().any(known) {
            let hint = Some(hint.to_owned());
            self.findings.push(place.finding(code, &self.model.path, message, hint));
        }
    }
}

/// Where a model's final `select` names a column.
pub(super) fn place_of_column(model: &Model, name: &str) -> Place {
    syntax::output(&model.statement, name)
        .or_else(|| last_word(&model.text, name))
        .unwrap_or(Place::START)
}

/// What is wrong with a statement, whether it plans or not.
pub(crate) fn of_statement(state: &SessionState, model: &Model) -> Vec<Finding> {
    let mut subject = Subject { model, findings: Vec::new() };
    syntax::walk(&model.statement, &mut |node| {
        units::look(&mut subject, &node);
        exchange_rate::look(&mut subject, &node);
        ratio::look(&mut subject, &node);
        chance::look(&mut subject, state, &node);
        order::look(&mut subject, &node);
    });
    contract::key(&mut subject);
    subject.findings
}

/// Types that do not belong together, in a plan without the engine's casts.
pub(crate) fn of_types(model: &Model, plan: &LogicalPlan) -> Vec<Finding> {
    let mut subject = Subject { model, findings: Vec::new() };
    types::look(&mut subject, plan);
    subject.findings
}

/// What is wrong with the rows of a plan without the engine's casts, and their grain.
pub(crate) fn of_rows(model: &Model, plan: &LogicalPlan, grains: &Grains) -> (Vec<Finding>, Grain) {
    let mut subject = Subject { model, findings: Vec::new() };
    let grain = grain::look(&mut subject, plan, grains);
    (subject.findings, grain)
}

/// Where the columns are not those of the contract.
pub(crate) fn of_columns(model: &Model, schema: &SchemaRef) -> Vec<Finding> {
    let mut subject = Subject { model, findings: Vec::new() };
    contract::columns(&mut subject, schema);
    subject.findings
}

#[cfg(test)]
mod tests;
