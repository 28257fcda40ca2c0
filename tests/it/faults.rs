//! Every fault that the sandbox can make, in whole runs: equal tables, misfits kept aside, and
//! never without proof that the fault was served.
//!
//! Streams are read one at a time here, so that a request's number says what it asks for: Shopify's
//! first is the shop, the second a page of orders; Printify's first the list of shops, the second a
//! page of orders; Meta's first the account, the second a week of advertising; Printful's first is
//! a page of orders and Stripe's a page of balance transactions. Klaviyo is asked who is
//! suppressed, given one import, and asked three times what became of it.

use crate::support::{NIGHT, ORDERS, Project, Shop, undisturbed};

/// A shop with this plan and a project that reads it stream by stream.
fn faulty(plan: &str) -> (Shop, Project) {
    let shop = Shop::open(ORDERS, NIGHT, plan);
    let project = Project::new(&shop.url());
    let config = project.read("inkhouse.toml");
    project.write("inkhouse.toml", &format!("{config}\n[run]\nparallel_streams = 1\n"));
    (shop, project)
}

/// Every rule names one request, and each must have been spoiled.
#[track_caller]
fn all_served(shop: &Shop, plan: &str) {
    let rules = u64::try_from(plan.split(';').count()).unwrap();
    assert_eq!(shop.running.faults_served(), rules, "served of `{plan}`");
}

/// A night under this plan succeeds, every fault was served, and nobody sees it in a table.
#[track_caller]
fn passes_unnoticed(plan: &str) -> Project {
    let (shop, project) = faulty(plan);
    project.run(&["run", "nightly"]).succeeded();
    all_served(&shop, plan);
    let got = project.contents();
    for (table, rows) in undisturbed() {
        assert!(got.get(table) == Some(rows), "{table} differs after `{plan}`");
    }
    assert_eq!(project.query("select count(*) from ops.rejects"), ["0"]);
    assert_eq!(project.query("select count(*) from ops.export_errors"), ["0"]);
    project
}

#[test]
fn vendors_that_refuse_or_break_down_for_a_moment_leave_no_trace() {
    passes_unnoticed(
        "shopify:429@2,retry_after=1;shopify:429@4;shopify:500@6;shopify:throttled@8;\
         shopify:close@10;shopify:truncate@12;shopify:slow@14,ms=300;\
         printify:429@2,retry_after=1;printify:429@4;printify:500@6;\
         printify:close@8;printify:truncate@10;printify:slow@12,ms=300;\
         printful:429@2,retry_after=1;printful:429@4;printful:500@6;\
         printful:close@8;printful:truncate@10;printful:slow@12,ms=300;\
         stripe:429@2,retry_after=1;stripe:429@4;stripe:500@6;\
         stripe:close@8;stripe:truncate@10;stripe:slow@12,ms=300;\
         meta:429@2,retry_after=1;meta:429@4;meta:500@6;\
         meta:close@8;meta:truncate@10;meta:slow@12,ms=300",
    );
}

#[test]
fn klaviyo_may_fail_at_every_call_of_an_export() {
    passes_unnoticed(
        "klaviyo:truncate@1;klaviyo:429@3,retry_after=1;klaviyo:500@5;klaviyo:slow@6,ms=300;\
         klaviyo:429@7;klaviyo:close@8",
    );
    // An import whose answer is lost was taken all the same; sending it again must do no harm.
    passes_unnoticed("klaviyo:truncate@2");
    passes_unnoticed("klaviyo:close@2");
}

#[test]
fn records_that_come_twice_or_in_another_order_are_kept_once() {
    passes_unnoticed(
        "shopify:duplicate@2;printify:duplicate@2;printful:duplicate@1;stripe:duplicate@1;meta:duplicate@2",
    );
    passes_unnoticed(
        "shopify:reorder@2;printify:reorder@2;printful:reorder@1;stripe:reorder@1;meta:reorder@2",
    );
}

/// The stream that a record fault at the requests above hits, by source.
const HIT: [(&str, &str); 5] = [
    ("shopify", "orders"),
    ("printify", "orders"),
    ("printful", "orders"),
    ("stripe", "balance_transactions"),
    ("meta", "insights_daily"),
];

#[test]
fn a_misfit_of_every_source_is_kept_aside_with_its_reason() {
    let plan = "shopify:wrong_type@2;printify:wrong_type@2;printful:wrong_type@1;\
                stripe:wrong_type@1;meta:wrong_type@2";
    let (shop, project) = faulty(plan);
    project.run(&["extract"]).succeeded();
    all_served(&shop, plan);
    let mut want: Vec<String> =
        HIT.iter().map(|(source, stream)| format!("{source},{stream},true")).collect();
    want.sort();
    let rejects = project.query(
        "select source, stream, pointer <> '' and reason <> '' and record like '%unexpected%' \
         from ops.rejects order by source",
    );
    assert_eq!(rejects, want);
    // The misfits and nothing else are missing.
    let (got, all) = (project.raw_contents(), &undisturbed()["raw"]);
    assert!(got.iter().all(|row| all.contains(row)), "a row is there that no calm night has");
    assert_eq!(got.len() + HIT.len(), all.len());
}

#[test]
fn an_unknown_field_of_every_source_is_kept_in_extra() {
    let plan = "shopify:unknown_field@2;printify:unknown_field@2;printful:unknown_field@1;\
                stripe:unknown_field@1;meta:unknown_field@2";
    let (shop, project) = faulty(plan);
    let ran = project.run(&["run", "nightly"]).succeeded();
    all_served(&shop, plan);
    assert_eq!(ran.all().matches("x_unannounced").count(), HIT.len(), "{}", ran.all());
    for (source, stream) in HIT {
        let extra = format!(
            "select count(*) from raw.{source}.{stream} where _extra like '%x_unannounced%2026-11%'"
        );
        assert_eq!(project.query(&extra), ["1"], "{source}.{stream}");
    }
    // What people read knows nothing of it.
    let got = project.contents();
    for (table, rows) in undisturbed().iter().filter(|(table, _)| *table != "raw") {
        assert!(got.get(table) == Some(rows), "{table} differs for a field that nobody asked for");
    }
}

#[test]
fn a_profile_that_fails_after_its_import_was_taken_is_told_by_name() {
    let plan = "klaviyo:import_error@2";
    let (shop, project) = faulty(plan);
    project.run(&["run", "nightly"]).succeeded();
    all_served(&shop, plan);
    let errors = project.query("select destination, export, error_code from ops.export_errors");
    assert_eq!(errors, ["klaviyo,klaviyo_profiles,invalid"]);
    let received = u64::try_from(shop.running.klaviyo_profile_count()).unwrap();
    let acknowledged =
        project.query("select count(*) from ops.export_state where error_code is null");
    assert_eq!(acknowledged, [received.to_string()]);
    let got = project.contents();
    for (table, rows) in undisturbed() {
        assert!(got.get(table) == Some(rows), "{table} differs for a profile that was refused");
    }
}
