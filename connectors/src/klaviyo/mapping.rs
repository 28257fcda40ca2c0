//! From a row of an export model to a Klaviyo profile.
//!
//! `email` identifies the profile, `external_id` goes beside it when the model has it, and
//! `email_marketing_status` is the consent: it must be a column, and any value but `SUBSCRIBED`
//! holds the row back. Every other column becomes a profile property under its own name and belongs
//! to the export: a null is sent as null, which clears the property. Left out it would stay, and a
//! segment would keep somebody whose taste changed. An identifier is never cleared: a null
//! `external_id` is left out.
//!
//! Payloads are written by hand, column by column, so that a decimal goes out with its own digits
//! and equal rows give equal bytes.
//!
//! API: <https://developers.klaviyo.com/en/reference/bulk_import_profiles> (revision 2026-10-15,
//! read 2026-11-22).

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType, TimeUnit},
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use rustc_hash::FxHashSet;

use crate::{Delivery, Error, Hold, Mapped, Result};

const EMAIL: &str = "email";
const EXTERNAL_ID: &str = "external_id";
const CONSENT: &str = "email_marketing_status";
const CONSENTED: &str = "SUBSCRIBED";

/// Turns rows into profiles, in order; see the module's words for the rules.
pub(super) fn profiles(rows: &RecordBatch, row_bytes: usize) -> Result<Vec<Mapped>> {
    let emails = text_column(rows, EMAIL)?;
    let consents = text_column(rows, CONSENT)?;
    let external_ids = text_column(rows, EXTERNAL_ID).ok();
    let format = FormatOptions::new()
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%SZ"))
        .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%SZ"));
    let mut properties = Vec::new();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if [EMAIL, EXTERNAL_ID, CONSENT].contains(&field.name().as_str()) {
            continue;
        }
        let name = serde_json::to_string(field.name()).map_err(|e| Error::bug(e.to_string()))?;
        let quoted = quoting(field.name(), field.data_type())?;
        let formatter = ArrayFormatter::try_new(column.as_ref(), &format)
            .map_err(|e| Error::bug(format!("column `{}`: {e}", field.name())))?;
        properties.push((name, quoted, column, formatter));
    }

    let mut mapped = Vec::with_capacity(rows.num_rows());
    let mut seen = FxHashSet::default();
    for row in 0..rows.num_rows() {
        let identifier = if emails.is_null(row) {
            String::new()
        } else {
            emails.value(row).trim().to_lowercase()
        };
        if !is_address(&identifier) {
            mapped.push(Mapped::Held { identifier, reason: Hold::InvalidIdentifier });
            continue;
        }
        if consents.is_null(row) || consents.value(row) != CONSENTED {
            mapped.push(Mapped::Held { identifier, reason: Hold::NoConsent });
            continue;
        }
        if !seen.insert(identifier.clone()) {
            mapped.push(Mapped::Held { identifier, reason: Hold::Duplicate });
            continue;
        }
        let mut payload = String::with_capacity(512);
        payload.push_str(r#"{"type":"profile","attributes":{"email":"#);
        payload.push_str(&json_text(&identifier)?);
        if let Some(ids) = external_ids.filter(|ids| !ids.is_null(row)) {
            payload.push_str(r#","external_id":"#);
            payload.push_str(&json_text(ids.value(row))?);
        }
        payload.push_str(r#","properties":{"#);
        let mut first = true;
        for (name, quoted, column, formatter) in &properties {
            if !first {
                payload.push(',');
            }
            first = false;
            payload.push_str(name);
            payload.push(':');
            if column.is_null(row) {
                payload.push_str("null");
                continue;
            }
            let value = formatter.value(row).to_string();
            if *quoted {
                payload.push_str(&json_text(&value)?);
            } else {
                payload.push_str(&value);
            }
        }
        payload.push_str("}}}");
        if payload.len() > row_bytes {
            mapped.push(Mapped::Held { identifier, reason: Hold::TooLarge });
        } else {
            mapped.push(Mapped::Row(Delivery { identifier, payload }));
        }
    }
    Ok(mapped)
}

fn text_column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a arrow::array::StringArray> {
    let column = rows.column_by_name(name).ok_or_else(|| {
        Error::config(format!("a Klaviyo export needs the column `{name}`")).with_hint(format!(
            "select `{name}` in the export model; consent and identity cannot be left out"
        ))
    })?;
    column
        .as_string_opt::<i32>()
        .ok_or_else(|| Error::config(format!("column `{name}` of a Klaviyo export must be text")))
}

/// Whether a property of this type is written between quotes; refuses what has no flat JSON form.
fn quoting(name: &str, data_type: &DataType) -> Result<bool> {
    match data_type {
        DataType::Utf8
        | DataType::Date32
        | DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Second, _) => Ok(true),
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Decimal128(_, _) => Ok(false),
        other => Err(Error::config(format!(
            "column `{name}` of a Klaviyo export is {other}, which has no profile property form"
        ))
        .with_hint("cast it to text, an integer, a decimal, a date or a boolean")),
    }
}

fn json_text(text: &str) -> Result<String> {
    serde_json::to_string(text).map_err(|e| Error::bug(e.to_string()))
}

/// Whether Klaviyo would take this as an address. One malformed address makes it refuse the whole
/// batch, so the obvious ones are held back here; what slips through is found by bisection.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && !"<>(),;:\\\"[]".contains(c))
    };
    text.len() <= 254
        && plain(local)
        && !local.contains('@')
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && plain(domain)
        && domain.contains('.')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray},
        record_batch::RecordBatch,
    };

    use super::*;

    fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
            .unwrap()
    }

    fn text(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn a_row_becomes_a_profile_with_its_exact_digits() {
        let share = Decimal128Array::from(vec![6200]).with_precision_and_scale(18, 4).unwrap();
        let batch = rows(vec![
            ("email", text(&[Some(" Ann@Example.com ")])),
            ("external_id", text(&[Some("81")])),
            ("email_marketing_status", text(&[Some("SUBSCRIBED")])),
            ("aesthetic_top", text(&[Some("goth \"academia\"")])),
            ("aesthetic_share", Arc::new(share)),
            ("orders_count", Arc::new(Int64Array::from(vec![3]))),
            ("last_order_date", Arc::new(Date32Array::from(vec![20_000]))),
            ("runner_up", text(&[None])),
        ]);
        let mapped = profiles(&batch, 100_000).unwrap();
        let Mapped::Row(delivery) = &mapped[0] else { panic!("held: {mapped:?}") };
        assert_eq!(delivery.identifier, "ann@example.com");
        assert_eq!(
            delivery.payload,
            r#"{"type":"profile","attributes":{"email":"ann@example.com","external_id":"81","properties":{"aesthetic_top":"goth \"academia\"","aesthetic_share":0.6200,"orders_count":3,"last_order_date":"2024-10-04","runner_up":null}}}"#
        );
        serde_json::from_str::<serde_json::Value>(&delivery.payload).unwrap();
    }

    #[test]
    fn a_property_that_became_null_is_cleared_and_an_identifier_is_not() {
        let batch = rows(vec![
            ("email", text(&[Some("a@b.co")])),
            ("external_id", text(&[None])),
            ("email_marketing_status", text(&[Some("SUBSCRIBED")])),
            ("favourite_family", text(&[None])),
            ("orders_count", Arc::new(Int64Array::from(vec![None]))),
        ]);
        let mapped = profiles(&batch, 100_000).unwrap();
        let Mapped::Row(delivery) = &mapped[0] else { panic!("held: {mapped:?}") };
        assert_eq!(
            delivery.payload,
            r#"{"type":"profile","attributes":{"email":"a@b.co","properties":{"favourite_family":null,"orders_count":null}}}"#
        );
    }

    #[test]
    fn nobody_without_consent_or_with_a_broken_address_is_sent() {
        let batch = rows(vec![
            (
                "email",
                text(&[Some("a@b.co"), Some("b@b.co"), Some("broken"), None, Some("A@b.co")]),
            ),
            (
                "email_marketing_status",
                text(&[
                    Some("SUBSCRIBED"),
                    Some("UNSUBSCRIBED"),
                    Some("SUBSCRIBED"),
                    Some("SUBSCRIBED"),
                    Some("SUBSCRIBED"),
                ]),
            ),
        ]);
        let held: Vec<_> = profiles(&batch, 100_000)
            .unwrap()
            .into_iter()
            .map(|m| match m {
                Mapped::Row(_) => None,
                Mapped::Held { reason, .. } => Some(reason),
            })
            .collect();
        assert_eq!(
            held,
            [
                None,
                Some(Hold::NoConsent),
                Some(Hold::InvalidIdentifier),
                Some(Hold::InvalidIdentifier),
                Some(Hold::Duplicate)
            ]
        );
    }

    #[test]
    fn an_export_without_a_consent_column_is_refused() {
        let batch = rows(vec![("email", text(&[Some("a@b.co")]))]);
        let error = profiles(&batch, 100_000).unwrap_err();
        assert!(error.to_string().contains("email_marketing_status"), "{error}");
    }

    #[test]
    fn a_float_property_is_refused() {
        let batch = rows(vec![
            ("email", text(&[Some("a@b.co")])),
            ("email_marketing_status", text(&[Some("SUBSCRIBED")])),
            ("score", Arc::new(arrow::array::Float64Array::from(vec![0.1]))),
        ]);
        assert!(profiles(&batch, 100_000).is_err());
    }

    #[test]
    fn addresses_are_judged_as_klaviyo_does() {
        for good in ["a@b.co", "first.last+tag@sub.example.org", "ü@exämple.de"] {
            assert!(is_address(good), "{good}");
        }
        for bad in
            ["", "a", "@b.co", "a@", "a@b", "a b@c.de", "a@b..co", "a@-b.co", ".a@b.co", "a@@b.co"]
        {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
