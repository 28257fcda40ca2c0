//! `extract --from-files`: the main job on what a vendor answered earlier, without an account.
//!
//! Bulk files say less than the API (no total of a line, no lines of a refund), and still make
//! priced lines.

use std::path::PathBuf;

use crate::support::{NIGHT, Project, Shop};

/// One order with two lines, in Shopify's bulk form: children are lines that name their parent,
/// and one may stand before it.
const BULK: &str = r##"{"id":"gid://shopify/LineItem/12","title":"Raven Mug","quantity":1,"currentQuantity":1,"sku":"MUG","originalUnitPriceSet":{"shopMoney":{"amount":"14.5","currencyCode":"USD"}},"__parentId":"gid://shopify/Order/7001"}
{"id":"gid://shopify/Order/7001","name":"#7001","createdAt":"2026-10-02T14:03:11Z","processedAt":"2026-10-02T14:03:10Z","updatedAt":"2026-10-09T08:00:02Z","test":false,"currencyCode":"USD"}
{"id":"gid://shopify/LineItem/11","title":"Raven Tee","quantity":3,"currentQuantity":3,"sku":"TEE","originalUnitPriceSet":{"shopMoney":{"amount":"22.35","currencyCode":"USD"}},"discountAllocations":[{"allocatedAmountSet":{"shopMoney":{"amount":"4.4","currencyCode":"USD"}}}],"__parentId":"gid://shopify/Order/7001"}
this line is no JSON
"##;
const LINES: &str = "select order_line_id, product_revenue_amount, net_sales_amount from fct_order_lines \
                     where order_id = '7001' order by order_line_id";

/// A project that can reach nobody.
fn offline() -> Project {
    Project::new("http://127.0.0.1:9")
}

#[test]
fn a_bulk_file_becomes_priced_lines_and_its_misfits_are_kept() {
    let project = offline();
    project.write("answers/orders.jsonl", BULK);
    let folder = project.path().join("answers");
    let from_files = ["extract", "shopify", "--from-files", folder.to_str().unwrap()];
    let first = project.run(&from_files).succeeded();
    assert!(first.all().contains("shopify.orders: 1 row added"), "{}", first.all());
    assert_eq!(project.query("select record from ops.rejects"), ["this line is no JSON"]);
    let again = project.run(&from_files).succeeded();
    assert!(again.all().contains("shopify.orders: 0 rows added, 1 unchanged"), "{}", again.all());
    assert_eq!(project.query("select count(*) from ops.rejects"), ["1"]);

    project.run(&["build"]).succeeded();
    assert_eq!(project.query(LINES), ["11,67.0500,62.6500", "12,14.5000,14.5000"]);
}

#[test]
fn saved_answers_do_not_move_the_bookmark_of_the_vendor() {
    let shop = Shop::open(60, NIGHT, "");
    let project = Project::new(&shop.url());
    project.write("answers/orders.jsonl", BULK);
    let folder = project.path().join("answers");
    project.run(&["extract", "shopify", "--from-files", folder.to_str().unwrap()]).succeeded();
    project.run(&["run", "nightly"]).succeeded();
    let orders = project.query("select count(*) from raw.shopify.orders");
    assert_eq!(orders, ["61"], "the night must read all 60 orders beside the saved one");
    project.run(&["extract", "shopify", "--from-files", folder.to_str().unwrap()]).succeeded();
    let quiet = project.run(&["run", "nightly"]).succeeded();
    assert!(quiet.all().contains("nothing new"), "{}", quiet.all());
}

#[test]
fn an_unknown_stream_is_refused_before_anything_is_read() {
    let project = offline();
    let folder = project.path().to_str().unwrap().to_owned();
    for files in [&["--from-files", folder.as_str()][..], &[]] {
        let ran = project.run(&[&["extract", "shopify", "--stream", "order"], files].concat());
        assert_eq!(ran.code, 2, "{}", ran.all());
        assert!(ran.stderr.contains("no stream `order`"), "{}", ran.stderr);
        assert!(ran.stderr.contains("orders"), "{}", ran.stderr);
    }
}

#[test]
fn the_documented_bulk_sample_becomes_priced_lines() {
    let samples =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/specs/sources/shape_samples");
    let Ok(sample) = fs_err::read_to_string(samples.join("shopify_bulk_orders.jsonl")) else {
        println!("skipped: the samples do not lie beside the checkout");
        return;
    };
    let project = offline();
    project.write("answers/orders.jsonl", &sample);
    let folder = project.path().join("answers");
    project.run(&["extract", "shopify", "--from-files", folder.to_str().unwrap()]).succeeded();
    project.run(&["build"]).succeeded();
    // Two tees at 22.00 with 4.40 off, and a mug that was given away.
    assert_eq!(
        project.query(&LINES.replace("7001", "1001")),
        ["2001,44.0000,39.6000", "2002,0.0000,0.0000"]
    );
}
