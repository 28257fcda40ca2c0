//! Every fault that the sandbox can make, in one night: equal tables, and misfits kept aside.

use crate::support::{NIGHT, ORDERS, Project, Shop};

#[test]
fn a_night_of_passing_faults_ends_in_equal_tables() {
    let calm_shop = Shop::open(ORDERS, NIGHT, "");
    let calm = Project::new(&calm_shop.url());
    calm.run(&["run", "nightly"]).succeeded();

    let shop = Shop::open(
        ORDERS,
        NIGHT,
        "shopify:429@3,retry_after=1;shopify:close@4;shopify:duplicate@5;shopify:reorder@6;\
         printify:429@4;printify:truncate@6;printify:500@9..10;printify:duplicate@12;\
         printful:close@2;printful:500@3;printful:slow@4;\
         stripe:truncate@2;stripe:429@3,retry_after=1;stripe:reorder@4;\
         meta:500@2;meta:close@4;klaviyo:500@1;klaviyo:429@3,retry_after=1",
    );
    let project = Project::new(&shop.url());
    project.run(&["run", "nightly"]).succeeded();

    let (want, got) = (calm.contents(), project.contents());
    for (table, rows) in &want {
        assert!(got.get(table) == Some(rows), "{table} differs after a night of faults");
    }
}

#[test]
fn a_misfit_is_kept_aside_with_its_reason_and_an_unknown_field_in_extra() {
    let shop = Shop::open(ORDERS, NIGHT, "printify:wrong_type@4;shopify:unknown_field@2");
    let project = Project::new(&shop.url());
    project.run(&["extract"]).succeeded();
    let rejects =
        project.query("select source, stream, pointer, length(record) > 10 from ops.rejects");
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    assert!(rejects[0].starts_with("printify,"), "{rejects:?}");
    let mut extras = 0;
    for stream in ["shop", "orders", "products", "customers"] {
        let sql = format!("select count(*) from raw.shopify.{stream} where _extra is not null");
        extras += project.query(&sql)[0].parse::<u64>().unwrap();
    }
    assert_eq!(extras, 1);
}
