//! A sum after a join that repeats what is summed: one refund, counted once for every transaction.

use super::super::super::finding::{Place, code};
use super::super::Subject;
use super::super::syntax::{Form, Syntax};
use super::relation::{Analysis, Sum};

pub(super) fn look(
    subject: &mut Subject<'_>,
    syntax: &mut Option<Syntax>,
    analysis: &Analysis<'_>,
    sum: &Sum,
) {
    for rows in &sum.addends {
        let closure = sum.dependencies.closure(rows.iter().chain(&sum.groups).copied());
        let Some(repeating) = sum.rows.iter().find(|row| !closure.contains(**row)) else {
            continue;
        };
        let name = |row| analysis.instances.get(row).map_or("", |instance| instance.name.as_str());
        let syntax = syntax.get_or_insert_with(|| Syntax::of(&subject.model.statement));
        let place = syntax.place(&sum.argument, Form::Call, &sum.function).unwrap_or(Place::START);
        let what = match rows.first().map(name) {
            Some("") | None => "each row".to_owned(),
            Some(name) => format!("each row of `{name}`"),
        };
        let by = match name(repeating) {
            "" => "once for every row that is joined to it".to_owned(),
            "unnest" => "once for every element that `unnest` makes of it".to_owned(),
            name => format!("once for every row of `{name}` that is joined to it"),
        };
        let message = if sum.is_distinct {
            format!("`{}(distinct ..)` counts equal values of two rows once", sum.function)
        } else {
            format!("`{}` counts {what} {by}", sum.function)
        };
        let hint = "sum before joining, in a CTE grouped by the columns joined on; if the join finds \
                    one row at most, name that model's `key`";
        subject.add(place, code::FAN_OUT, message, hint);
        return;
    }
}
