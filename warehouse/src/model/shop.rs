//! The small shop of `tests/check`: raw tables and sound models, for faulty ones to stand among.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use super::{Finding, ModelSource, Project};
use crate::Error;

/// A folder below `tests/check`.
pub(super) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/check").join(name)
}

/// The `.sql` files of a folder, stem and text.
pub(super) fn files(name: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs_err::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "sql"))
        .map(|path| {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            (stem, fs_err::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// The sound models.
fn models() -> Vec<ModelSource> {
    let source = |(stem, text)| ModelSource { path: format!("{stem}.sql"), text };
    files("shop").into_iter().map(source).collect()
}

/// What is wrong with some models among the sound ones; a file of the same stem replaces one.
pub(super) fn findings(others: Vec<ModelSource>) -> Vec<Finding> {
    let mut sources = models();
    sources.extend(others);
    match Project::load(sources) {
        Ok(project) => project.check(&raw_schemas()).unwrap(),
        Err(Error::Findings(found)) => found,
        Err(error) => panic!("{error}"),
    }
}

fn raw_schemas() -> BTreeMap<String, SchemaRef> {
    let text = || DataType::Utf8;
    let number = || DataType::Int64;
    let money = || DataType::Decimal128(18, 4);
    let rate = || DataType::Decimal128(18, 8);
    let date = || DataType::Date32;
    let moment = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let line =
        Fields::from(vec![Field::new("sku", text(), true), Field::new("quantity", number(), true)]);
    let lines = DataType::new_list(DataType::Struct(line), true);
    let tables = [
        (
            "raw.shopify.orders",
            vec![
                ("id", text()),
                ("customer_id", text()),
                ("currency", text()),
                ("total", money()),
                ("tax", money()),
                ("refunded", money()),
                ("rate", rate()),
                ("item_count", number()),
                ("parcel_weight", DataType::Float64),
                ("item_lines", lines),
                ("is_test", DataType::Boolean),
                ("ordered_at", moment()),
                ("order_date", date()),
            ],
        ),
        (
            "raw.shopify.order_lines",
            vec![
                ("id", text()),
                ("order_id", text()),
                ("sku", text()),
                ("quantity", number()),
                ("price", money()),
                ("currency", text()),
            ],
        ),
        (
            "raw.shopify.transactions",
            vec![
                ("id", text()),
                ("order_id", text()),
                ("kind", text()),
                ("price", money()),
                ("currency", text()),
                ("rate", rate()),
                ("created_at", moment()),
            ],
        ),
        (
            "raw.meta.ad_days",
            vec![
                ("ad_id", text()),
                ("day", date()),
                ("spend_micros", number()),
                ("clicks", number()),
                ("conversion_rate", rate()),
                ("currency", text()),
            ],
        ),
        ("raw.fx.rates", vec![("currency", text()), ("day", date()), ("rate", rate())]),
        (
            "raw.printify.prices",
            vec![
                ("sku", text()),
                ("day", date()),
                ("until_day", date()),
                ("price", money()),
                ("lead_seconds", number()),
                ("lead_days", number()),
            ],
        ),
    ];
    let schema = |columns: Vec<(&str, DataType)>| {
        let fields = columns.into_iter().map(|(name, kind)| Field::new(name, kind, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    };
    tables.into_iter().map(|(name, columns)| (name.to_owned(), schema(columns))).collect()
}
