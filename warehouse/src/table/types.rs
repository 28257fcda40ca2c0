//! The types that are stored, and how any batch is brought to them.
//!
//! Delta has no unsigned numbers, no zone but UTC and one name for the element of a list, so a
//! written batch would not read back as it was. Every schema is therefore brought to one stored
//! form first (see the type map in the README), and files carry exactly that form.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListArray, RecordBatch, StructArray, new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit,
};
use datafusion::arrow::error::ArrowError;

use crate::{Error, Result};

/// The stored form of `schema`: all nullable, UTF-8 text, UTC microseconds, signed numbers.
///
/// Fails with [`Error::Column`] for a type that Delta cannot hold.
pub fn stored_schema(table: &str, schema: &Schema) -> Result<SchemaRef> {
    let fields = schema.fields().iter().map(|field| stored_field(table, field.name(), field));
    Ok(Arc::new(Schema::new(fields.collect::<Result<Fields>>()?)))
}

fn stored_field(table: &str, path: &str, field: &Field) -> Result<FieldRef> {
    let data_type = stored_type(table, path, field.data_type())?;
    Ok(Arc::new(Field::new(field.name(), data_type, true)))
}

/// The type that a column of type `data_type` is stored as; `table` and `path` are for the error.
pub(crate) fn stored_type(table: &str, path: &str, data_type: &DataType) -> Result<DataType> {
    use DataType as T;
    Ok(match data_type {
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Null => T::Utf8,
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => T::Binary,
        T::UInt8 => T::Int16,
        T::UInt16 => T::Int32,
        T::UInt32 | T::UInt64 => T::Int64,
        T::Timestamp(..) => T::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        T::Date32 | T::Date64 => T::Date32,
        T::Boolean | T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Float32 | T::Float64 => {
            data_type.clone()
        }
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) if *s >= 0 => {
            T::Decimal128(*p, *s)
        }
        T::Dictionary(_, value) => stored_type(table, path, value)?,
        T::List(item)
        | T::LargeList(item)
        | T::ListView(item)
        | T::LargeListView(item)
        | T::FixedSizeList(item, _) => {
            let inner = stored_type(table, &format!("{path}[]"), item.data_type())?;
            T::List(Arc::new(Field::new("element", inner, true)))
        }
        T::Struct(fields) => {
            let inner = fields
                .iter()
                .map(|field| stored_field(table, &format!("{path}.{}", field.name()), field));
            T::Struct(inner.collect::<Result<Fields>>()?)
        }
        other => {
            return Err(Error::Column {
                table: table.to_owned(),
                column: path.to_owned(),
                reason: format!("type {other} cannot be stored"),
            });
        }
    })
}

/// Brings `batch` to `schema` by column names; a column the batch lacks becomes null.
///
/// Lists and structs are rebuilt around their buffers, so a batch that fits already costs nothing.
/// Fails with [`Error::Column`] when the batch has a column the table lacks, or a value that does
/// not fit (an unsigned number above the signed range, a decimal with more digits).
pub(crate) fn fit(table: &str, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let given = batch.schema();
    if let Some(field) = given.fields().iter().find(|f| schema.index_of(f.name()).is_err()) {
        return Err(Error::Column {
            table: table.to_owned(),
            column: field.name().clone(),
            reason: "the table has no such column".to_owned(),
        });
    }
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => retype(table, field.name(), column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_>>()?)
        .map_err(Error::arrow(format!("fitting a batch to `{table}`")))
}

fn retype(table: &str, path: &str, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let failed = |error: ArrowError| Error::Column {
        table: table.to_owned(),
        column: path.to_owned(),
        reason: error.to_string(),
    };
    match (array.data_type(), to) {
        (DataType::List(_), DataType::List(item)) => {
            let list = array.as_list::<i32>();
            let values = retype(table, &format!("{path}[]"), list.values(), item.data_type())?;
            let offsets = list.offsets().clone();
            ListArray::try_new(Arc::clone(item), offsets, values, list.nulls().cloned())
                .map(|list| Arc::new(list) as ArrayRef)
                .map_err(failed)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let given = array.as_struct();
            let columns = fields.iter().map(|field| match given.column_by_name(field.name()) {
                Some(column) => {
                    retype(table, &format!("{path}.{}", field.name()), column, field.data_type())
                }
                None => Ok(new_null_array(field.data_type(), array.len())),
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            StructArray::try_new_with_length(
                fields.clone(),
                columns,
                given.nulls().cloned(),
                given.len(),
            )
            .map(|array| Arc::new(array) as ArrayRef)
            .map_err(failed)
        }
        _ => {
            // `safe: false` turns an overflow into an error instead of a null.
            let options = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(array, to, &options).map_err(failed)
        }
    }
}

/// `old` with the fields that only `new` has, at any depth; `None` when there are none.
///
/// A field that `new` lacks stays (its next rows are null). Fails with [`Error::Column`] when a
/// field changed its type: that needs a decision, not a guess.
pub(crate) fn merge(table: &str, old: &Schema, new: &Schema) -> Result<Option<SchemaRef>> {
    let fields = merge_fields(table, "", old.fields(), new.fields())?;
    Ok((fields != *old.fields()).then(|| Arc::new(Schema::new(fields))))
}

fn merge_fields(table: &str, path: &str, old: &Fields, new: &Fields) -> Result<Fields> {
    let mut merged: Vec<FieldRef> = Vec::with_capacity(old.len());
    for field in old {
        let twin = new.iter().find(|candidate| candidate.name() == field.name());
        let data_type = match twin {
            Some(twin) => {
                let path = format!("{path}{}", field.name());
                merge_types(table, &path, field.data_type(), twin.data_type())?
            }
            None => field.data_type().clone(),
        };
        merged.push(Arc::new(Field::new(field.name(), data_type, true)));
    }
    merged.extend(new.iter().filter(|f| !old.iter().any(|o| o.name() == f.name())).cloned());
    Ok(merged.into())
}

fn merge_types(table: &str, path: &str, old: &DataType, new: &DataType) -> Result<DataType> {
    match (old, new) {
        (DataType::Struct(old), DataType::Struct(new)) => {
            Ok(DataType::Struct(merge_fields(table, &format!("{path}."), old, new)?))
        }
        (DataType::List(old), DataType::List(new)) => {
            let path = format!("{path}[]");
            let inner = merge_types(table, &path, old.data_type(), new.data_type())?;
            Ok(DataType::List(Arc::new(Field::new("element", inner, true))))
        }
        (old, new) if old == new => Ok(old.clone()),
        (old, new) => Err(Error::Column {
            table: table.to_owned(),
            column: path.to_owned(),
            reason: format!("it is {old} in the table and {new} now"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, UInt64Array};

    use super::*;

    fn schema(fields: Vec<Field>) -> Schema {
        Schema::new(fields)
    }

    #[test]
    fn a_new_field_deep_in_a_list_is_added_and_a_missing_one_stays() {
        let item = |names: &[&str]| {
            let fields: Fields =
                names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
            let element = Field::new("element", DataType::Struct(fields), true);
            schema(vec![Field::new("lines", DataType::List(Arc::new(element)), true)])
        };
        let merged = merge("t", &item(&["a", "b"]), &item(&["b", "c"])).unwrap().unwrap();
        assert_eq!(*merged, item(&["a", "b", "c"]));
        assert!(merge("t", &item(&["a", "b"]), &item(&["b"])).unwrap().is_none());
    }

    #[test]
    fn a_changed_type_is_an_error_that_names_the_field() {
        let of = |data_type| schema(vec![Field::new("a", data_type, true)]);
        let error = merge("raw.x.y", &of(DataType::Utf8), &of(DataType::Int64)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "column `a` does not fit `raw.x.y`: it is Utf8 in the table and Int64 now"
        );
    }

    #[test]
    fn an_unsigned_number_is_stored_signed_or_refused_but_never_nulled() {
        let unsigned = Arc::new(schema(vec![Field::new("n", DataType::UInt64, false)]));
        let stored = stored_schema("t", &unsigned).unwrap();
        let batch = |n: u64| {
            let column = Arc::new(UInt64Array::from(vec![n]));
            RecordBatch::try_new(Arc::clone(&unsigned), vec![column]).unwrap()
        };
        let fitted = fit("t", &batch(7), &stored).unwrap();
        assert_eq!(fitted.column(0).as_ref(), &Int64Array::from(vec![7]));
        assert!(fit("t", &batch(u64::MAX), &stored).is_err());
    }
}
