//! What a change is, what is none, and how far it is felt.

use super::super::tests::{project, raw};
use super::*;
use crate::model::ModelSource;

const STG: (&str, &str) = (
    "stg_o",
    "select id as order_id, total as total_amount, currency as currency_code \
     from raw.shop.orders where parent is null",
);
const INT: (&str, &str) = (
    "int_o",
    "with a as (select * from stg_o) select order_id, total_amount as paid_amount from a",
);
const FCT: (&str, &str) =
    ("fct_o", "select order_id, cast(paid_amount + 1 as decimal(18, 4)) as more_amount from int_o");

fn base() -> Vec<(&'static str, &'static str)> {
    vec![STG, INT, FCT]
}

fn with(name: &'static str, sql: &'static str) -> ProjectDiff {
    let after: Vec<_> = base().into_iter().filter(|(known, _)| *known != name).collect();
    let after = after.into_iter().chain((!sql.is_empty()).then_some((name, sql)));
    let after: Vec<_> = after.collect();
    ProjectDiff::between(&project(&base()), &project(&after), &raw()).unwrap()
}

fn affected(diff: &ProjectDiff) -> Vec<(&str, Vec<&str>, bool, bool)> {
    diff.affected
        .iter()
        .map(|a| {
            let columns = a.columns.iter().map(String::as_str).collect();
            (a.model.as_str(), columns, a.rows, a.breaks)
        })
        .collect()
}

#[test]
fn another_text_of_the_same_is_no_change() {
    let diff = with(
        "int_o",
        "with orders as (\n    select order_id as i, total_amount as t\n    from stg_o\n)\n\n\
         select orders.i as order_id, orders.t as paid_amount from orders",
    );
    assert!(diff.is_empty(), "{diff:#?}");
}

#[test]
fn another_source_expression_or_type_is_told_apart_and_followed() {
    let change = |sql| {
        let diff = with("int_o", sql);
        assert_eq!(diff.changed.len(), 1, "{diff:#?}");
        assert_eq!(affected(&diff), [("fct_o", vec!["more_amount"], false, false)]);
        diff.changed.into_iter().next().unwrap().columns.into_iter().next().unwrap()
    };
    let (name, kind) =
        change("select order_id, cast(currency_code as decimal(18, 4)) as paid_amount from stg_o");
    assert_eq!(name, "paid_amount");
    let ColumnChange::Resourced { lost, gained } = kind else { panic!("{kind:?}") };
    assert_eq!((lost.len(), gained.len()), (1, 1));
    // The sources are those of before: what differs is the expression.
    let diff = with(
        "fct_o",
        "select order_id, cast(paid_amount - 1 as decimal(18, 4)) as more_amount from int_o",
    );
    let change_of = &diff.changed[0].columns;
    assert_eq!(*change_of, [("more_amount".to_owned(), ColumnChange::Recomputed)]);
    let (_, kind) =
        change("select order_id, cast(total_amount as decimal(18, 8)) as paid_amount from stg_o");
    let expected = ColumnChange::Retyped {
        before: "decimal(18, 4)".to_owned(),
        after: "decimal(18, 8)".to_owned(),
    };
    assert_eq!(kind, expected);
}

#[test]
fn other_rows_are_felt_everywhere_below() {
    let diff = with(
        "stg_o",
        "select id as order_id, total as total_amount, currency as currency_code \
         from raw.shop.orders where parent is not null",
    );
    assert_eq!(diff.changed.len(), 1);
    assert!(diff.changed[0].rows && diff.changed[0].columns.is_empty());
    assert_eq!(affected(&diff), [("int_o", vec![], true, false), ("fct_o", vec![], true, false)]);
}

#[test]
fn a_column_that_is_gone_breaks_what_read_it() {
    let diff = with("int_o", "select order_id from stg_o");
    assert_eq!(diff.changed[0].columns, [("paid_amount".to_owned(), ColumnChange::Removed)]);
    assert_eq!(affected(&diff), [("fct_o", vec!["more_amount"], false, true)]);
    assert_eq!(diff.findings[0].code, "E011");
    let diff = with("int_o", "");
    assert_eq!(diff.removed, ["int_o"]);
    assert!(affected(&diff)[0].3, "{diff:#?}");
}

#[test]
fn a_new_model_or_column_changes_nothing_else() {
    let after = [base(), vec![("fct_p", "select order_id from int_o")]].concat();
    let diff = ProjectDiff::between(&project(&base()), &project(&after), &raw()).unwrap();
    assert_eq!(diff.added, ["fct_p"]);
    assert!(diff.changed.is_empty() && diff.affected.is_empty(), "{diff:#?}");
    let diff =
        with("int_o", "select order_id, total_amount as paid_amount, currency_code from stg_o");
    assert_eq!(diff.changed[0].columns, [("currency_code".to_owned(), ColumnChange::Added)]);
    assert!(diff.affected.is_empty(), "{diff:#?}");
}

#[test]
fn an_export_says_where_it_goes_and_a_header_what_it_promised() {
    let source = |path: &str, header: &str, sql: &str| ModelSource {
        path: path.to_owned(),
        text: format!("-- One row per thing.\n--! {header}\n{sql}\n"),
    };
    let version = |key: &str, total: &str| {
        let key = format!("kind = 'full'\n--! key = ['{key}']");
        Project::load(vec![
            source("stg_o.sql", "kind = 'view'", "select id, parent, total from raw.shop.orders"),
            source("marts/dim_o.sql", &key, &format!("select id, parent, {total} as x from stg_o")),
            source(
                "exports/vendor_o.sql",
                "kind = 'full'\n--! destination = 'vendor'\n--! object = 'o'",
                "select id, x from dim_o",
            ),
        ])
        .unwrap()
    };
    let after = version("parent", "total + 1");
    let diff = ProjectDiff::between(&version("id", "total"), &after, &raw()).unwrap();
    assert_eq!(diff.changed[0].header, [("key", "id".to_owned(), "parent".to_owned())]);
    assert_eq!(diff.affected[0].destination.as_deref(), Some("vendor"));
    assert_eq!(diff.exports(&after), [("vendor_o", "vendor")]);
}
