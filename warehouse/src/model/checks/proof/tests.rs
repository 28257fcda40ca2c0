//! What is proved against what is found: random queries over random rows, where nothing that is
//! proved may turn out otherwise; and the shapes that models have, where it must be proved.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::datasource::{MemTable, TableProvider as _};
use datafusion::prelude::DataFrame;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::model::checks::tests::checking;
use crate::model::checks::{Audit, CheckStatus};
use crate::model::definition::Model;
use crate::model::references::{Target, parse_statement};
use crate::model::{ModelSource, Project};
use crate::table::{fit, stored_schema};

const A: &str = "key = [\"a_id\"]\n--! checks = [{ accepted = \"kind\", values = [\"x\", \"y\"] }]";
const B: &str =
    "key = [\"b_id\"]\n--! not_null = [\"tag\"]\n--! checks = [{ unique = [\"m\", \"tag\"] }]";

/// The inputs with their headers; `int_c` has no promise.
fn inputs() -> Project {
    let source = |name: &str, header: &str| ModelSource {
        path: format!("intermediate/{name}.sql"),
        text: format!("-- One row.\n--! kind = \"full\"\n--! {header}\nselect 1 as a"),
    };
    let sources = vec![source("int_a", A), source("int_b", B), source("int_c", "key = []")];
    Project::load(sources).unwrap()
}

fn trusted(project: &Project) -> Trusted<'_> {
    project.models().map(|model| (model.name.as_str(), &model.header)).collect()
}

/// Rows that keep the promises of their headers, decided by `seed`.
fn tables(seed: &[u8]) -> [String; 3] {
    let mut bytes = seed.iter().copied().cycle();
    let mut next = move |below: u8| bytes.next().unwrap_or_default() % below;
    let mut one_of = move |words: &[&str]| {
        words[usize::from(next(u8::try_from(words.len()).unwrap()))].to_owned()
    };
    let numbers = ["null", "0", "1", "2"];
    let ids = ["null", "'1'", "'2'", "'3'", "'4'"];
    let mut a = Vec::new();
    let mut b = Vec::new();
    let mut c = Vec::new();
    for id in ["'1'", "'2'", "'3'", "'4'", "'5'"] {
        if one_of(&["", "row", "row"]) == "row" {
            let kind = one_of(&["'x'", "'y'", "null"]);
            a.push(format!("({id}, {}, {kind}, {})", one_of(&numbers), one_of(&ids)));
        }
        if one_of(&["", "row", "row"]) == "row" {
            // The number is the id's own or null, so that number and tag are unique.
            let number = one_of(&["null", id]).replace('\'', "");
            b.push(format!("({id}, {number}, {})", one_of(&["'x'", "'y'", "'z'"])));
        }
        let kind = one_of(&["'x'", "'z'", "null"]);
        c.push(format!("({}, {}, {kind})", one_of(&ids), one_of(&numbers)));
    }
    let values = |rows: Vec<String>, columns: &str, types: &str| {
        format!("select {types} from (values {}) as t({columns})", rows.join(", "))
    };
    let text = |name: &str| format!("cast({name} as varchar) as {name}");
    let number = |name: &str| format!("cast({name} as bigint) as {name}");
    // An empty table has one row that is left out again.
    let filled =
        |rows: Vec<String>, blank: &str| if rows.is_empty() { vec![blank.into()] } else { rows };
    let (no_a, no_b) = (a.is_empty(), b.is_empty());
    let a = values(
        filled(a, "('0', 0, 'x', null)"),
        "a_id, n, kind, b_id",
        &[text("a_id"), number("n"), text("kind"), text("b_id")].join(", "),
    );
    let b = values(
        filled(b, "('0', 0, 'x')"),
        "b_id, m, tag",
        &[text("b_id"), number("m"), text("tag")].join(", "),
    );
    let c = values(c, "c_id, n, kind", &[text("c_id"), number("n"), text("kind")].join(", "));
    let empty = |sql: String, none: bool| if none { format!("{sql} where false") } else { sql };
    [empty(a, no_a), empty(b, no_b), c]
}

const PREDICATES: &[&str] = &[
    "n > 0",
    "n is null",
    "not (n is null)",
    "kind = 'x'",
    "kind in ('x', 'y')",
    "kind not in ('x')",
    "kind <> 'x' or n > 1",
    "kind = 'x' or n is not null and other is not null",
    "id is not null and other is not null",
    "n not between 1 and 1",
    "n between 1 and 2",
    "id like '%1%'",
    "cast(id as bigint) = n",
    "n = 1 and coalesce(kind, 'x') = 'x'",
    "not (n > 1)",
    "n is distinct from 1",
    "true",
];

const PROJECTIONS: &[&str] = &[
    "id, n + 1 as n, kind, other",
    "other as id, n, kind, id as other",
    "id, coalesce(n, 0) as n, case when n > 1 then 'x' when n > 0 then 'y' else 'z' end as kind, other",
    "id, n, case when n > 1 then 'x' end as kind, coalesce(other, id, 'none') as other",
    "id, n, coalesce(kind, 'y') as kind, id as other",
    "id, cast(n as smallint) as n, lower(kind) as kind, nullif(other, id) as other",
    "id, n * 0 as n, 'x' as kind, other",
    "id, 1 as n, kind, cast(n as varchar) as other",
    "id || 'x' as id, n % 2 as n, kind, other",
    "id, case kind when 'x' then n end as n, nullif(kind, 'x') as kind, other",
    "id, n, cast('y' as varchar) as kind, concat(other, '-') as other",
];

const GROUPINGS: &[&str] = &[
    "select id, sum(n) as n, min(kind) as kind, max(other) as other from ($) as q group by id",
    "select id, count(*) as n, kind, min(other) as other from ($) as q group by id, kind",
    "select min(id) as id, count(n) as n, max(kind) as kind, min(other) as other from ($) as q",
    "select other as id, sum(n) filter (where n > 0) as n, kind, max(id) as other from ($) as q group by other, kind",
    "select coalesce(id, '0') as id, max(n) as n, min(kind) as kind, 'o' as other from ($) as q group by coalesce(id, '0')",
    "select id, n, kind, other from ($) as q group by id, n, kind, other",
    "select distinct id, n, kind, other from ($) as q",
    "select distinct id, 1 as n, kind, null as other from ($) as q",
    "select id, max(n) as n, kind, other from ($) as q group by grouping sets ((id, kind, other), (id))",
    "select id, n, kind, other from (select *, row_number() over (partition by id order by n, kind, other) as rn from ($) as q) as w where rn = 1",
    "select id, rn as n, kind, other from (select *, row_number() over (partition by id order by n, kind, other) as rn from ($) as q) as w",
    "select id, cast(rank() over (order by n) as bigint) as n, kind, other from ($) as q",
    "select id, n, kind, other from ($) as q order by id, n, kind, other limit 2",
];

const JOINS: &[&str] = &[
    "select l.id, r.n, l.kind, r.other from ($) as l % join (#) as r on l.id = r.id",
    "select l.id, l.n, r.kind, r.id as other from ($) as l % join (#) as r on l.other = r.id",
    "select r.id, l.n, l.kind, l.id as other from ($) as l % join (#) as r on l.id = r.other and l.n = r.n",
    "select l.id, r.n, r.kind, l.other from ($) as l % join (#) as r on l.id = r.id and r.kind = 'x'",
    "select l.id, l.n, coalesce(r.kind, 'z') as kind, r.id as other from ($) as l % join (#) as r on cast(l.id as bigint) = r.n",
    "select l.id, l.n, r.kind, r.id as other from ($) as l % join (#) as r on l.n < r.n or l.id = r.id",
];

const SETS: &[&str] = &[
    "select id, n, kind, other from ($) as l union all select id, n, kind, other from (#) as r",
    "select id, n, 'x' as kind, other from ($) as l union all select id, n, 'y' as kind, other from (#) as r",
    "select id, n, 'x' as kind, other from ($) as l union all select id, n, kind, other from (#) as r where kind = 'z'",
    "select id, n, kind, other from ($) as l union select id, n, kind, other from (#) as r",
    "select l.id, r.n, l.kind, r.id as other from ($) as l cross join (#) as r",
    "select id, n, kind, other from ($) as l where id in (select r.id from (#) as r)",
    "select id, n, kind, other from ($) as l where id not in (select r.other from (#) as r)",
    "select id, n, kind, other from ($) as l where exists (select 1 from (#) as r where r.id = l.other)",
    "select id, (select max(n) from (#) as r) as n, kind, other from ($) as l",
    "select id, n, kind, unnest(make_array(other, id)) as other from (select l.* from ($) as l cross join (select 1) as r) as q",
];

/// A query of the columns `id`, `n`, `kind`, `other`, decided by `bytes`.
fn query(bytes: &mut impl Iterator<Item = u8>, depth: usize) -> String {
    fn pick<'a>(bytes: &mut impl Iterator<Item = u8>, from: &[&'a str]) -> &'a str {
        from[usize::from(bytes.next().unwrap_or_default()) % from.len()]
    }
    let bases = [
        "select a_id as id, n, kind, b_id as other from int_a",
        "select b_id as id, m as n, tag as kind, b_id as other from int_b",
        "select c_id as id, n, kind, c_id as other from int_c",
    ];
    if depth == 0 {
        return pick(bytes, &bases).to_owned();
    }
    let inner = query(bytes, depth - 1);
    match bytes.next().unwrap_or_default() % 6 {
        0 => format!("select * from ({inner}) as q where {}", pick(bytes, PREDICATES)),
        1 => format!("select {} from ({inner}) as q", pick(bytes, PROJECTIONS)),
        2 => pick(bytes, GROUPINGS).replace('$', &inner),
        3 | 4 => {
            let kind = pick(bytes, &["inner", "inner", "left", "right", "full"]);
            let other = query(bytes, (depth - 1) / 2);
            let join = pick(bytes, JOINS).replace('%', kind);
            join.replace('$', &inner).replace('#', &other)
        }
        _ => {
            let other = query(bytes, (depth - 1) / 2);
            pick(bytes, SETS).replace('$', &inner).replace('#', &other)
        }
    }
}

/// Everything that is asked of every query.
fn asked() -> Model {
    let mut entries: Vec<String> = Vec::new();
    let columns = ["id", "n", "kind", "other"];
    for set in 1..16_u32 {
        let chosen = columns.iter().enumerate().filter(|(n, _)| set & (1 << n) != 0);
        let chosen: Vec<String> = chosen.map(|(_, column)| format!("\"{column}\"")).collect();
        entries.push(format!("{{ unique = [{}] }}", chosen.join(", ")));
    }
    for column in columns {
        entries.push(format!("{{ not_null = \"{column}\" }}"));
    }
    for values in ["\"x\"", "\"x\", \"y\"", "\"x\", \"y\", \"z\"", "\"z\""] {
        entries.push(format!("{{ accepted = \"kind\", values = [{values}] }}"));
    }
    for column in ["id", "other", "kind"] {
        for target in ["int_a.a_id", "int_a.b_id", "int_b.b_id", "int_b.tag", "int_a.kind"] {
            entries.push(format!("{{ references = \"{target}\", column = \"{column}\" }}"));
        }
    }
    for condition in [
        "n > 0",
        "n >= 0",
        "n is not null and kind = 'x'",
        "kind in ('x', 'y', 'z')",
        "kind is not null or n > 0",
        "coalesce(kind, 'q') <> 'q'",
        "other is not null",
        "id = other",
        "n <> 1 or kind = 'z'",
        "n is null or kind in ('x', 'y')",
        "length(kind) = 1",
        "other is null",
        "n between 1 and 2",
    ] {
        entries.push(format!("\"{condition}\""));
    }
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    checking(&entries)
}

async fn scope_with(tables: &[String; 3]) -> Scope {
    let scope = Scope::detached().unwrap();
    for (name, sql) in ["int_a", "int_b", "int_c"].into_iter().zip(tables) {
        let frame = scope.session().sql(sql).await.unwrap();
        let schema = stored_schema(name, frame.schema().as_arrow()).unwrap();
        let rows: Vec<RecordBatch> = frame.collect().await.unwrap();
        let rows = rows.iter().map(|batch| fit(name, batch, &schema).unwrap()).collect();
        let table = MemTable::try_new(schema, vec![rows]).unwrap();
        scope.add(&Target::Model(name.to_owned()), Arc::new(table)).unwrap();
    }
    scope
}

/// What is proved of a query, after it was compared with what is found; `None` if it does not plan.
async fn compared(tables: &[String; 3], sql: &str, model: &Model) -> Option<Vec<&'static str>> {
    let project = inputs();
    let scope = scope_with(tables).await;
    let plan = scope.plan(parse_statement(sql).unwrap()).await.ok()?;
    let frame = DataFrame::new(scope.session().state(), plan.clone());
    let schema = stored_schema("t", frame.schema().as_arrow()).unwrap();
    // A cast may fail on a value; then there is no table.
    let rows = frame.collect().await.ok()?;
    let rows = rows.iter().map(|batch| fit("t", batch, &schema).unwrap()).collect();
    let table = Arc::new(MemTable::try_new(schema, vec![rows]).unwrap());
    let proof = Proof::new(&scope, &plan, trusted(&project));
    let rules = model.header.checks.iter();
    let proved: Vec<Rule> =
        rules.filter(|rule| proof.shows(rule, &table.schema())).cloned().collect();
    let kinds = proved.len();
    let mut all = Vec::with_capacity(kinds);
    let mut left = proved;
    // One audit names each check once.
    while !left.is_empty() {
        let mut names = BTreeSet::new();
        let (now, later) = left.into_iter().partition(|rule| names.insert(rule.to_string()));
        left = later;
        let mut model = model.clone();
        model.header.checks = now;
        let found = Audit::new(&scope, &model, Arc::clone(&table) as _).run().await.unwrap();
        for result in found {
            assert_eq!(
                result.status,
                CheckStatus::Passed,
                "`{}` is proved and breaks in {:?}\n{sql}\n{}\n{}",
                result.name,
                result.sample,
                plan.display_indent(),
                tables.join("\n")
            );
            all.push(result.kind);
        }
    }
    assert_eq!(all.len(), kinds);
    Some(all)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn nothing_that_is_proved_turns_out_otherwise() {
    let cases = std::env::var_os("INKHOUSE_CASES").and_then(|n| n.to_str()?.parse().ok());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases.unwrap_or(60))
    });
    let runtime = runtime();
    let model = asked();
    let count: std::cell::RefCell<BTreeMap<&str, u64>> = std::cell::RefCell::default();
    let given = (vec(any::<u8>(), 24), vec(any::<u8>(), 40), 0_usize..6);
    let ran = runner.run(&given, |(rows, shape, depth)| {
        let sql = query(&mut shape.into_iter(), depth);
        let proved = runtime.block_on(compared(&tables(&rows), &sql, &model));
        for kind in proved.into_iter().flatten() {
            *count.borrow_mut().entry(kind).or_default() += 1;
        }
        Ok(())
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    // A proof that never succeeds would pass above.
    for kind in ["unique", "not_null", "accepted", "references", "condition"] {
        assert!(count.borrow().get(kind).is_some_and(|n| *n > 5), "{kind}: {count:?}");
    }
}

/// Whether an entry is proved of a query.
fn proves(entry: &str, sql: &str) -> bool {
    let tables = tables(&[7, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7]);
    runtime().block_on(async {
        let model = checking(&[entry]);
        let project = inputs();
        let scope = scope_with(&tables).await;
        let plan = scope.plan(parse_statement(sql).unwrap()).await.unwrap();
        let schema = stored_schema("t", plan.schema().as_arrow()).unwrap();
        let proof = Proof::new(&scope, &plan, trusted(&project));
        proof.shows(&model.header.checks[0], &schema)
    })
}

#[test]
fn the_shapes_that_models_have_are_proved() {
    let grouped = "select id, sum(n) as n from (select c_id as id, n from int_c) as c group by id";
    assert!(proves(r#"{ unique = "id" }"#, grouped));
    assert!(!proves(r#"{ unique = "n" }"#, grouped));
    assert!(!proves(r#"{ not_null = "id" }"#, grouped));
    assert!(proves(r#"{ not_null = "n" }"#, "select a_id, count(*) as n from int_a group by a_id"));
    assert!(proves(
        r#"{ not_null = "a_id" }"#,
        "select a_id, count(*) as n from int_a group by a_id"
    ));
    assert!(proves(r#"{ unique = "a_id" }"#, "select a_id, n from int_a where n > 1"));
    assert!(!proves(r#"{ unique = ["m", "tag"] }"#, "select m, tag from int_b"));
    // A dimension is joined by its key: the fact keeps its own.
    let joined = "select int_a.a_id, int_b.m, int_b.b_id, int_a.b_id as given from int_a left join int_b on int_a.b_id = int_b.b_id";
    assert!(proves(r#"{ unique = "a_id" }"#, joined));
    assert!(proves(r#"{ references = "int_b.b_id" }"#, joined));
    assert!(!proves(r#"{ references = "int_b.b_id", column = "given" }"#, joined));
    assert!(!proves(r#"{ not_null = "b_id" }"#, joined));
    assert!(proves(r#"{ not_null = "b_id" }"#, &joined.replace("left", "inner")));
    // .. and not when it is joined by something else.
    assert!(!proves(r#"{ unique = "a_id" }"#, &joined.replace("= int_b.b_id", "= int_b.tag")));
    // Newest version by group and join back, as the staging models do.
    let newest = "with newest as (select c_id, max(n) as n from int_c group by c_id) \
                  select newest.c_id, int_a.a_id from newest inner join int_a on newest.c_id = int_a.a_id and newest.n = int_a.n";
    assert!(proves(r#"{ unique = "c_id" }"#, newest));
    assert!(proves(r#"{ not_null = ["c_id", "a_id"] }"#, newest));
    // A component of its own in each part of a union.
    let parts = "select a_id, 'fee' as part, b_id from int_a union all select a_id, 'tax' as part, b_id from int_a";
    assert!(proves(r#"{ unique = ["a_id", "part"] }"#, parts));
    assert!(!proves(r#"{ unique = "a_id" }"#, parts));
    assert!(proves(r#"{ accepted = "part", values = ["fee", "tax", "tip"] }"#, parts));
    assert!(!proves(r#"{ accepted = "part", values = ["fee"] }"#, parts));
    assert!(proves("\"part in ('fee', 'tax')\"", parts));
    let numbered = "select c_id, n from (select c_id, n, row_number() over (partition by c_id order by n) as rn from int_c) as q where rn = 1";
    assert!(proves(r#"{ unique = "c_id" }"#, numbered));
    assert!(!proves(r#"{ unique = "c_id" }"#, &numbered.replace("rn = 1", "rn <= 2")));
    // The filter of the model itself, and what the simplifier knows.
    let filtered = "select a_id, n as amount, kind from int_a where n > 0 and kind = 'x'";
    assert!(proves("\"amount > 0\"", filtered));
    assert!(!proves("\"amount > 1\"", filtered));
    assert!(proves("\"kind = 'x' and amount > 0\"", filtered));
    assert!(proves("\"flag\"", "select n > 1 or 1 < 2 as flag from int_c"));
    assert!(!proves("\"r = r\"", "select random() as r from int_c"));
    // Nothing is known of what has no checked header.
    assert!(!proves(r#"{ accepted = "kind", values = ["x", "z"] }"#, "select kind from int_c"));
    assert!(proves(r#"{ accepted = "kind", values = ["x", "y"] }"#, "select kind from int_a"));
}

#[test]
fn a_filter_over_an_aggregate_without_groups_proves_nothing() {
    // The engine lets a row with a null through; see `holds_filters`.
    let never =
        "select * from (select max(kind) as kind from int_c) as q where kind = 'x' and kind = 'y'";
    assert!(!proves(r#"{ not_null = "kind" }"#, never));
    assert!(!proves("\"kind = 'x'\"", never));
    assert!(proves(r#"{ unique = "kind" }"#, never));
}

#[test]
fn a_type_that_is_stored_otherwise_proves_nothing_of_values() {
    let cut = "select distinct arrow_cast(n, 'Timestamp(Nanosecond, None)') as at from int_c";
    assert!(!proves(r#"{ unique = "at" }"#, cut), "nanoseconds are stored as microseconds");
    let kept =
        "select distinct arrow_cast(n, 'Timestamp(Microsecond, Some(\"UTC\"))') as at from int_c";
    assert!(proves(r#"{ unique = "at" }"#, kept));
}
