//! The grain of rows: what one row of a relation is one of, followed through a plan.
//!
//! Every table, aggregate and union is an *instance* with an unseen attribute, its row. What
//! determines what is kept as functional dependencies: a key determines the row, the row its
//! columns, and a join the partner's row if the partner is unique on the columns joined. A sum over
//! a column of one instance counts each of its rows once just when that row, together with the
//! columns grouped by, determines the whole row of what is summed over. The same dependencies say
//! whether the rows of one group share a currency.
//!
//! Rows that an outer join fills with nulls add nothing to a sum, so what is true of the others is
//! taken to be true.

mod currency;
mod dependencies;
mod fan_out;
mod join;
mod relation;
mod values;

use datafusion::logical_expr::LogicalPlan;

use self::relation::Analysis;
use super::super::definition::Model;
use super::{Grains, Subject};

/// What is known of the rows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grain {
    /// Columns that are unique together; several such lists. One of no columns: there is one row.
    keys: Vec<Vec<String>>,
}

impl Grain {
    /// What a header promises.
    fn of_header(model: &Model) -> Self {
        let key = &model.header.key;
        Self { keys: if key.is_empty() { Vec::new() } else { vec![key.clone()] } }
    }
}

/// Looks at every sum of a plan; the grain of its rows.
pub(super) fn look(subject: &mut Subject<'_>, plan: &LogicalPlan, grains: &Grains) -> Grain {
    let mut analysis = Analysis::new(grains);
    let relation = analysis.relation(plan);
    let mut grain = Grain::of_header(subject.model);
    for key in relation.keys() {
        let fields = plan.schema().fields();
        let names = key.iter().filter_map(|at| fields.get(*at)).map(|field| field.name().clone());
        let names: Vec<String> = names.collect();
        if !grain.keys.contains(&names) {
            grain.keys.push(names);
        }
    }
    let mut syntax = None;
    for sum in &analysis.sums {
        fan_out::look(subject, &mut syntax, &analysis, sum);
        currency::look(subject, &mut syntax, &analysis, sum);
    }
    grain
}
