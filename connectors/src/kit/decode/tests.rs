//! The decoder: exact, forgiving of what it does not know, strict about what it does.

use std::time::Instant;

use arrow::{
    array::{Array, AsArray},
    datatypes::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::kit::record::Record;

static MONEY_BAG: Record =
    Record { fields: &[Field::new("amount", Kind::Decimal), Field::new("currency", Kind::Text)] };

static LINE: Record = Record {
    fields: &[
        Field::new("id", Kind::Id).required(),
        Field::new("price", Kind::Struct(&MONEY_BAG)),
        Field::new("tags", Kind::List(&Kind::Text)),
        Field::new("taxes", Kind::Connection(&Kind::Struct(&MONEY_BAG))),
    ],
};

static ORDER: Record = Record {
    fields: &[
        Field::new("id", Kind::Text).required(),
        Field::new("number", Kind::Integer),
        Field::new("legacy", Kind::Id),
        Field::new("total", Kind::Decimal),
        Field::new("rate", Kind::Rate),
        Field::new("test", Kind::Boolean),
        Field::new("at", Kind::Timestamp),
        Field::new("epoch", Kind::EpochSeconds),
        Field::new("day", Kind::Date),
        Field::new("raw", Kind::Json),
        Field::new("hidden", Kind::Ignored),
        Field::new("lines", Kind::Connection(&Kind::Struct(&LINE))),
    ],
};

static STREAM: Stream = Stream {
    name: "orders",
    key: &["id"],
    record: &ORDER,
    context: &[Field::new("shop", Kind::Id)],
};

fn decode(records: &[&str]) -> Decoded {
    let mut decoder = Decoder::new(&STREAM);
    for record in records {
        decoder.push(record, &["7"]);
    }
    let decoded = decoder.finish().unwrap();
    assert_eq!(decoded.rows.schema(), stream_schema(&STREAM));
    assert_eq!(decoded.rows.num_rows() + decoded.rejects.len(), records.len());
    decoded
}

fn column<'a>(decoded: &'a Decoded, name: &str) -> &'a ArrayRef {
    decoded.rows.column_by_name(name).unwrap()
}

fn text(decoded: &Decoded, name: &str, row: usize) -> Option<String> {
    let texts = column(decoded, name).as_string::<i32>();
    texts.is_valid(row).then(|| texts.value(row).to_owned())
}

#[test]
fn every_kind_finds_its_column() {
    let decoded = decode(&[r#" {
        "id": "gid\u002f1 \ud83d\ude00", "number": "42", "legacy": 12345678901234567890123,
        "total": 1234.5, "rate": "0.00000001", "test": true, "at": "2026-10-01T08:09:41+02:00",
        "epoch": 1790000000, "day": "2024-02-29", "raw": {"b": 1.10, "a": [ ]}, "hidden": {"x": 1},
        "lines": {"edges": [{"cursor": "c", "node": {"id": 7, "tags": ["a", null],
            "taxes": [{"amount": "-0.0001"}]}}, {"node": {"id": "8"}}], "pageInfo": {"x": 1}}
    } "#]);
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    assert_eq!(text(&decoded, "id", 0).unwrap(), "gid/1 😀");
    assert_eq!(column(&decoded, "number").as_primitive::<Int64Type>().value(0), 42);
    assert_eq!(text(&decoded, "legacy", 0).unwrap(), "12345678901234567890123");
    assert_eq!(column(&decoded, "total").as_primitive::<Decimal128Type>().value(0), 12_345_000);
    assert_eq!(column(&decoded, "rate").as_primitive::<Decimal128Type>().value(0), 1);
    assert!(column(&decoded, "test").as_boolean().value(0));
    let at = column(&decoded, "at").as_primitive::<TimestampMicrosecondType>().value(0);
    assert_eq!(at, 1_790_834_981_000_000);
    let epoch = column(&decoded, "epoch").as_primitive::<TimestampMicrosecondType>().value(0);
    assert_eq!(epoch, 1_790_000_000_000_000);
    assert_eq!(column(&decoded, "day").as_primitive::<Date32Type>().value(0), 19_782);
    assert_eq!(text(&decoded, "raw", 0).unwrap(), r#"{"b": 1.10, "a": [ ]}"#);
    let lines = column(&decoded, "lines").as_list::<i32>().value(0);
    assert_eq!(lines.len(), 2);
    let ids = lines.as_struct().column_by_name("id").unwrap();
    assert_eq!(ids.as_string::<i32>().value(0), "7");
    assert_eq!(text(&decoded, "shop", 0).unwrap(), "7");
    assert_eq!(text(&decoded, EXTRA, 0), None);
}

const EXTRA: &str = crate::EXTRA;

#[test]
fn unknown_fields_are_kept_at_any_depth_with_their_digits() {
    let decoded = decode(&[
        r#"{"id": "1", "n/w": 1.10, "lines": {"nodes": [{"id": 1, "price": {"~": [1]}}], "x": 2}}"#,
    ]);
    assert_eq!(
        text(&decoded, EXTRA, 0).unwrap(),
        r#"{"/n~1w":1.10,"/lines/nodes/0/price/~0":[1],"/lines/x":2}"#
    );
}

#[test]
fn missing_and_null_are_null_and_an_empty_list_is_not() {
    let nulls = r#"{"id": "2", "number": null, "total": null, "test": null, "at": null,
        "raw": null, "lines": null}"#;
    let decoded = decode(&[r#"{"id": "1"}"#, nulls, r#"{"id": "3", "lines": {"nodes": []}}"#]);
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    for (index, field) in ORDER.fields.iter().filter(|f| f.is_kept() && !f.required).enumerate() {
        let column = decoded.rows.column(index + 1);
        assert!(column.is_null(0) && column.is_null(1), "{}", field.name);
    }
    assert!(column(&decoded, "lines").is_valid(2));
}

#[test]
fn a_misfit_takes_its_whole_record_and_nothing_else() {
    let good = r#"{"id": "a", "total": "1", "lines": {"nodes": [{"id": 1, "tags": ["x"]}]}}"#;
    for (bad, pointer) in [
        (r#"{"total": "1"}"#, "/id"),
        (r#"{"id": null}"#, "/id"),
        (r#"{"id": 5}"#, "/id"),
        (r#"{"id": "b", "total": "1.00001"}"#, "/total"),
        (r#"{"id": "b", "total": 1e40}"#, "/total"),
        (r#"{"id": "b", "total": {"amount": 1}}"#, "/total"),
        (r#"{"id": "b", "number": 9223372036854775808}"#, "/number"),
        (r#"{"id": "b", "number": 1.5}"#, "/number"),
        (r#"{"id": "b", "test": "true"}"#, "/test"),
        (r#"{"id": "b", "at": 1790000000}"#, "/at"),
        (r#"{"id": "b", "day": "2026-02-29"}"#, "/day"),
        (r#"{"id": "b", "legacy": 1.5}"#, "/legacy"),
        (r#"{"id": "b", "lines": {"pageInfo": {}}}"#, "/lines"),
        (
            r#"{"id": "b", "lines": {"nodes": [{"id": 1, "tags": ["y", "z"]}, {"id": 2, "tags": [7]}]}}"#,
            "/lines/nodes/1/tags/0",
        ),
        (
            r#"{"id": "b", "lines": {"edges": [{"node": {"id": 1, "price": {"amount": "x"}}}]}}"#,
            "/lines/edges/0/node/price/amount",
        ),
        (r#"{"id": "b", "lines": {"nodes": [{"tags": []}]}}"#, "/lines/nodes/0/id"),
        (r#"{"id": "b", "lines": "#, "/lines"),
        (r#"{"id": "b"} x"#, ""),
        ("[]", ""),
        ("", ""),
    ] {
        let decoded = decode(&[good, bad, good]);
        let alone = decode(&[good, good]);
        assert_eq!(decoded.rows, alone.rows, "{bad}");
        let [reject] = decoded.rejects.as_slice() else { panic!("{bad}") };
        assert_eq!((reject.pointer.as_str(), reject.record.as_str()), (pointer, bad));
        assert!(!reject.reason.is_empty());
    }
}

#[test]
fn of_a_member_that_comes_twice_the_last_one_counts() {
    let decoded = decode(&[
        r#"{"id": "1", "total": 5, "lines": {"nodes": [{"id": 1}, {"id": 2}]}, "total": null, "lines": [{"id": 3}]}"#,
        r#"{"id": "2", "total": 6}"#,
    ]);
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    assert!(column(&decoded, "total").is_null(0));
    let lines = column(&decoded, "lines").as_list::<i32>();
    assert_eq!((lines.value(0).len(), lines.is_null(1)), (1, true));
}

#[test]
fn nesting_without_end_is_a_reject_and_no_overflow() {
    let deep = format!(r#"{{"id": "1", "raw": {}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let decoded = decode(&[&deep]);
    assert_eq!(decoded.rejects[0].pointer, "/raw");
}

#[test]
fn equal_bytes_have_equal_hashes_and_others_have_not() {
    let decoded = decode(&[r#"{"id": "1"}"#, r#"{"id": "1"}"#, r#"{"id": "1" }"#]);
    let hashes = column(&decoded, crate::ROW_HASH).as_primitive::<Int64Type>();
    assert_eq!(hashes.value(0), hashes.value(1));
    assert_ne!(hashes.value(0), hashes.value(2));
}

/// Any JSON, mostly of the declared names.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "id", "number", "total", "at", "lines", "nodes", "edges", "node", "price", "tags", "raw",
        "other",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC*".prop_map(Value::from),
        Just(json!("1.25")),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|members| {
                let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect::<Map<_, _>>())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_the_columns_stay_aligned(records in prop::collection::vec(any_json(), 0..6)) {
        let texts: Vec<String> = records.iter().map(Value::to_string).collect();
        decode(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn half_a_record_is_a_reject(cut in 1_usize..60) {
        let whole = r#"{"id": "ab", "total": "1.5", "lines": {"nodes": [{"id": 1}]}}"#;
        let decoded = decode(&[whole.get(..cut.min(whole.len() - 1)).unwrap()]);
        prop_assert_eq!(decoded.rejects.len(), 1);
    }
}

/// Run by hand: `cargo test --release -p connectors decoder_speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn decoder_speed_on_nested_shopify_orders() {
    let orders = crate::shopify::STREAMS.iter().find(|stream| stream.name == "orders").unwrap();
    let records: Vec<String> = (0..2_000).map(|n| sample(orders.record, n).to_string()).collect();
    let bytes: usize = records.iter().map(String::len).sum();
    let mut best = u128::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        let mut decoder = Decoder::new(orders);
        for record in &records {
            assert!(decoder.push(record, &[]));
        }
        let decoded = decoder.finish().unwrap();
        assert_eq!(decoded.rows.num_rows(), records.len());
        best = best.min(start.elapsed().as_micros());
    }
    println!(
        "{} orders of {} bytes: {} MB/s",
        records.len(),
        bytes / records.len(),
        u128::try_from(bytes).unwrap() / best
    );
}

/// A record with two items in every list.
fn sample(record: &Record, n: usize) -> Value {
    let members = record.fields.iter().map(|f| (f.name.to_owned(), value(f.kind, n)));
    Value::Object(members.collect())
}

fn value(kind: Kind, n: usize) -> Value {
    match kind {
        Kind::Text => json!(format!("gid://shopify/LineItem/{}", 1_000_000 + n)),
        Kind::Id => json!(n.to_string()),
        Kind::Boolean => json!(true),
        Kind::Integer => json!(n),
        Kind::Decimal => json!("1234.5"),
        Kind::Rate => json!(0.0825),
        Kind::Timestamp => json!("2026-10-01T08:09:41Z"),
        Kind::EpochSeconds => json!(1_790_000_000),
        Kind::Date => json!("2026-10-01"),
        Kind::Json | Kind::Ignored => json!({ "a": 1 }),
        Kind::List(item) => json!([value(*item, n), value(*item, n + 1)]),
        Kind::Struct(record) => sample(record, n),
        Kind::Connection(item) => json!({ "nodes": [value(*item, n), value(*item, n + 1)] }),
    }
}
