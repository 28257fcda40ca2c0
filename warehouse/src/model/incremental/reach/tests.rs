//! Which tables a key reaches, statement by statement.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::empty::EmptyTable;

use super::*;
use crate::model::references::{Target, parse_statement};
use crate::model::scope::Scope;

/// `table: key` for what is reached, `table!` for a dimension, in the order of their names.
async fn reached(sql: &str) -> String {
    let scope = Scope::detached().unwrap();
    let text = |name| Field::new(name, DataType::Utf8, true);
    let items = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    let columns = vec![text("id"), text("owner"), text("note"), Field::new("items", items, true)];
    let schema = Arc::new(Schema::new(columns));
    for name in ["a", "b", "c"] {
        let table = Arc::new(EmptyTable::new(Arc::clone(&schema)));
        scope.add(&Target::Model(name.to_owned()), table).unwrap();
    }
    let plan = scope.plan(parse_statement(sql).unwrap()).await.unwrap();
    let mut told = Vec::new();
    tell(&reach(&plan, &["k".to_owned()]).unwrap(), "", &mut told);
    told.join("; ")
}

fn tell(reach: &Reach, way: &str, told: &mut Vec<String>) {
    for (name, table) in &reach.tables {
        let keys = table.keys.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
        let mark = if table.is_dimension { "!" } else { "" };
        told.push(if keys.is_empty() {
            format!("{way}{name}{mark}")
        } else {
            format!("{way}{name}{mark}: {}", keys.join(", "))
        });
    }
    for hop in &reach.hops {
        let on = hop.on.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        tell(&hop.far, &format!("{way}{on} -> "), told);
    }
}

async fn expect(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(reached(sql).await, *expected, "{sql}");
    }
}

#[tokio::test]
async fn a_filter_passes_what_works_row_by_row() {
    expect(&[
        ("select id as k from a where note = 'x' order by note", "a: a.id"),
        (
            "select k from (select split_part(id, '/', 2) as k from a) as x",
            "a: split_part(a.id, Utf8(\"/\"), Int64(2))",
        ),
        ("select distinct id as k, note from a", "a: a.id"),
        ("select id as k, unnest(items) as item from a", "a: a.id"),
        ("select unnest(items) as k from a", "a!"),
        ("select id as k from a union all select owner as k from b", "a: a.id; b: b.owner"),
        ("select id as k from a limit 5", "a!"),
        ("select 'x' as k from a", "a: Utf8(\"x\")"),
        ("select random() as k, id from a", "a!"),
    ])
    .await;
}

#[tokio::test]
async fn groups_and_windows_must_be_told_apart_by_the_key() {
    expect(&[
        ("select id as k, count(*) as n from a group by id, owner", "a: a.id"),
        ("select max(id) as k, owner from a group by owner", "a!"),
        ("select upper(id) as k, count(*) as n from a group by upper(id)", "a: upper(a.id)"),
        ("select id as k, count(*) as n from a group by rollup (id, owner)", "a!"),
        ("select id as k, row_number() over (partition by id order by note) as n from a", "a: a.id"),
        ("select id as k, row_number() over (partition by owner order by note) as n from a", "a!"),
        ("select id as k, row_number() over (order by note) as n from a", "a!"),
        (
            "select id as k, count(*) over (partition by id) as n, sum(1) over (partition by owner) as m from a",
            "a!",
        ),
        ("select distinct on (id) id as k, note from a order by id, note", "a: a.id"),
        ("select distinct on (owner) id as k, note from a order by owner, note", "a!"),
    ])
    .await;
}

#[tokio::test]
async fn a_join_carries_the_key_over_by_what_is_equal() {
    expect(&[
        ("select a.id as k from a inner join b on a.id = b.owner", "a: a.id; b: b.owner"),
        ("select b.owner as k from a inner join b on a.id = b.owner", "a: a.id; b: b.owner"),
        ("select a.id as k from a inner join b on a.note = b.note", "a: a.id; a.note -> b: b.note"),
        ("select a.id as k from a cross join b", "a: a.id; b!"),
        ("select a.id as k from a left join b on a.id = b.id", "a: a.id; b: b.id"),
        // The key is null where nothing matched: a change of b moves rows to and from null.
        ("select b.id as k from a left join b on a.id = b.id", "a!; b!"),
        ("select b.id as k from a right join b on a.id = b.id", "a: a.id; b: b.id"),
        ("select a.id as k from a full join b on a.id = b.id", "a!; b!"),
        ("select coalesce(a.id, b.id) as k from a full join b on a.id = b.id", "a: a.id; b: b.id"),
        ("select coalesce(b.id, a.id) as k from a left join b on a.id = b.id", "a: a.id; b: b.id"),
        ("select coalesce(a.id, b.note) as k from a full join b on a.id = b.id", "a!; b!"),
        ("select a.id as k from a left anti join b on a.id = b.id", "a: a.id; b: b.id"),
        ("select a.id as k from a left semi join b on a.note = b.note", "a: a.id; a.note -> b: b.note"),
        (
            "select upper(a.id) as k from a inner join b on a.id = b.id left join c on b.id = c.owner",
            "a: upper(a.id); b: upper(b.id); c: upper(c.owner)",
        ),
        (
            "select a.id as k from a left join b on a.id = b.id left join c on b.id = c.owner",
            "a: a.id; b: b.id; b.id -> c: c.owner",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_read_on_the_side_is_a_dimension() {
    expect(&[
        ("select id as k from a where note in (select note from b)", "a: a.id; b!"),
        ("select id as k, (select max(note) from b) as m from a", "a: a.id; b!"),
        ("select id as k from a where exists (select 1 from b where b.id = a.id)", "a: a.id; b!"),
        ("select id as k from a where note = (select max(note) from a)", "a!: a.id"),
        (
            "with recursive r as (select id as k from a union all select b.id as k from r inner join b on b.owner = r.k) select k from r",
            "a!; b!; r!",
        ),
    ])
    .await;
}
