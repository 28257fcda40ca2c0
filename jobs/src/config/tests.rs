//! What a config may say, and how its mistakes are shown.

use super::*;
use crate::failure::Kind;

fn parse(text: &str) -> Result<Config, Failure> {
    Config::parse(Path::new("/project"), text)
}

fn shown(failure: &Failure) -> String {
    format!(
        "{failure}\n{}\nhint: {}",
        failure.excerpt().unwrap_or_default(),
        failure.hint().unwrap_or_default()
    )
}

#[test]
fn an_empty_config_is_a_warehouse_beside_it() {
    let config = parse("").unwrap();
    assert_eq!(config.url().as_str(), "file:///project/warehouse/");
    assert_eq!(config.memory_bytes, 1 << 30);
    let config = parse("[warehouse]\nurl = \"file://../x\"\nmemory = \"2GB\"\n").unwrap();
    assert_eq!(config.url().as_str(), "file:///x/");
    assert_eq!(config.memory_bytes, 2 << 30);
    let config = parse("[warehouse]\nurl = \"s3://bucket/x\"\n").unwrap();
    assert_eq!(config.url().as_str(), "s3://bucket/x");
}

#[test]
fn an_unknown_field_is_underlined_and_the_near_one_named() {
    let failure = parse("[warehouse]\nurl = \"file://./w\"\nmemry = \"1GB\"\n").unwrap_err();
    assert_eq!(failure.kind(), Kind::Config);
    assert_eq!(
        shown(&failure),
        "inkhouse.toml:3:1: unknown field `memry`\n3 | memry = \"1GB\"\n  | ^^^^^\nhint: did you mean `memory`?"
    );
}

#[test]
fn a_connectors_unknown_field_is_underlined_too() {
    let config =
        parse("[sources.printful]\ntoken = { file = \"secrets/printful\" }\nstor_id = 4242\n")
            .unwrap();
    let failure = config.check().unwrap_err();
    assert!(failure.to_string().starts_with("inkhouse.toml:3:1: unknown field `stor_id`"));
    assert_eq!(failure.hint(), Some("did you mean `store_id`?"));
    let config = parse("[sources.printful]\ntoken = { file = \"secrets/printful\" }\n").unwrap();
    let failure = config.check().unwrap_err();
    assert!(failure.to_string().contains("missing field `store_id`"), "{failure}");
    assert!(failure.to_string().starts_with("inkhouse.toml:1:"), "{failure}");
}

#[test]
fn a_value_of_the_wrong_type_is_shown_at_its_field() {
    let config =
        parse("[sources.printful]\ntoken = { env = \"X\" }\nstore_id = \"many\"\n").unwrap();
    let failure = config.check().unwrap_err();
    assert!(failure.to_string().starts_with("inkhouse.toml:3:1:"), "{failure}");
}

#[test]
fn unknown_sections_and_services_are_named() {
    let failure = parse("[warehous]\n").unwrap_err();
    assert_eq!(failure.hint(), Some("did you mean `warehouse`?"));
    let failure = parse("[sources.shopfy]\n").unwrap_err();
    assert_eq!(failure.hint(), Some("did you mean `shopify`?"));
    let failure = parse("[shop]\ntime_zone = \"America/Los_Angles\"\n").unwrap_err();
    assert_eq!(failure.hint(), Some("did you mean `America/Los_Angeles`?"));
}

#[test]
fn a_literal_secret_is_refused_and_not_shown() {
    for field in ["token", "key"] {
        let text = format!("[sources.shopify]\n{field} = \"shpat_oops\"\n");
        let failure = parse(&text).unwrap_err();
        assert!(failure.to_string().contains("must not be written here"), "{failure}");
        assert!(failure.hint().unwrap().contains("{ env = "), "{failure:?}");
        assert!(!format!("{failure:?}").contains("oops"));
    }
    let failure = parse("[warehouse.storage]\nsecret_access_key = \"oops\"\n").unwrap_err();
    assert!(!format!("{failure:?}").contains("oops"));
}

#[test]
fn what_is_no_toml_is_shown_where_it_breaks() {
    let failure = parse("[warehouse\nurl = 3\n").unwrap_err();
    assert!(failure.to_string().starts_with("inkhouse.toml:1:"), "{failure}");
    let failure = parse("[sources.shopify]\ntoken = \"shpat_oops\n").unwrap_err();
    assert!(!format!("{failure:?}").contains("oops"), "{failure:?}");
}

#[test]
fn a_missing_secret_says_where_it_was_sought() {
    let config = parse(
        "[sources.shopify]\nshop = \"a.myshopify.com\"\ntoken = { env = \"INKHOUSE_TEST_NO_SUCH\" }\n",
    )
    .unwrap();
    assert_eq!(config.check().unwrap().len(), 1);
    let failure = config.source("shopify").unwrap_err();
    assert!(failure.causes().concat().contains("INKHOUSE_TEST_NO_SUCH"), "{failure:?}");
    let failure = config.source("stripe").unwrap_err();
    assert_eq!(failure.kind(), Kind::Config);
}

#[test]
fn debug_shows_no_text_of_the_file() {
    let config = parse("[shop]\nname = \"Acme\"\n# rk_live_in_a_comment\n").unwrap();
    assert!(!format!("{config:?}").contains("in_a_comment"));
}
