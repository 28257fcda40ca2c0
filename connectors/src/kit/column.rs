//! Growing columns that can be cut back to a row, so that one misfit costs one record.
//!
//! Arrow's own builders only grow. These keep plain vectors until the page is finished.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, ListArray, StringArray,
        StructArray, TimestampMicrosecondArray,
    },
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, Field as ArrowField},
    error::ArrowError,
};

use super::record::{Kind, MONEY, RATE};

/// A column of values of one kind, with a flag a value: present or null.
#[derive(Debug)]
pub(super) struct Column {
    kind: Kind,
    present: Vec<bool>,
    pub(super) values: Values,
}

/// The values themselves; null rows hold a filler.
#[derive(Debug)]
pub(super) enum Values {
    Text { ends: Vec<i32>, bytes: String },
    Boolean(Vec<bool>),
    Integer(Vec<i64>),
    Decimal(Vec<i128>),
    Date(Vec<i32>),
    List { ends: Vec<i32>, items: Box<Column> },
    Struct(Vec<Column>),
    Nothing,
}

impl Column {
    pub(super) fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text | Kind::Id | Kind::Json => {
                Values::Text { ends: Vec::new(), bytes: String::new() }
            }
            Kind::Boolean => Values::Boolean(Vec::new()),
            Kind::Integer | Kind::Timestamp | Kind::EpochSeconds => Values::Integer(Vec::new()),
            Kind::Decimal | Kind::Rate => Values::Decimal(Vec::new()),
            Kind::Date => Values::Date(Vec::new()),
            Kind::Ignored => Values::Nothing,
            Kind::List(item) | Kind::Connection(item) => {
                Values::List { ends: Vec::new(), items: Box::new(Self::new(*item)) }
            }
            Kind::Struct(record) => {
                Values::Struct(record.fields.iter().map(|field| Self::new(field.kind)).collect())
            }
        };
        Self { kind, present: Vec::new(), values }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn is_kept(&self) -> bool {
        !matches!(self.kind, Kind::Ignored)
    }

    pub(super) fn len(&self) -> usize {
        self.present.len()
    }

    pub(super) fn is_present(&self, row: usize) -> bool {
        self.present.get(row).copied().unwrap_or(false)
    }

    /// Says that a value was put into [`Self::values`].
    pub(super) fn filled(&mut self) {
        self.present.push(true);
    }

    pub(super) fn push_null(&mut self) {
        match &mut self.values {
            Values::Text { ends, bytes } => ends.push(offset(bytes.len())),
            Values::Boolean(values) => values.push(false),
            Values::Integer(values) => values.push(0),
            Values::Decimal(values) => values.push(0),
            Values::Date(values) => values.push(0),
            Values::List { ends, items } => ends.push(offset(items.len())),
            Values::Struct(columns) => columns.iter_mut().for_each(Self::push_null),
            Values::Nothing => {}
        }
        self.present.push(false);
    }

    pub(super) fn push_text(&mut self, text: &str) {
        if let Values::Text { ends, bytes } = &mut self.values {
            bytes.push_str(text);
            ends.push(offset(bytes.len()));
            self.present.push(true);
        }
    }

    /// Cuts back to `rows` rows. Rows of a struct or a list that were begun and not finished go too.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Text { ends, bytes } => {
                ends.truncate(rows);
                let end = ends.last().copied().unwrap_or(0);
                bytes.truncate(usize::try_from(end).unwrap_or(0));
            }
            Values::Boolean(values) => values.truncate(rows),
            Values::Integer(values) => values.truncate(rows),
            Values::Decimal(values) => values.truncate(rows),
            Values::Date(values) => values.truncate(rows),
            Values::List { ends, items } => {
                ends.truncate(rows);
                let end = ends.last().copied().unwrap_or(0);
                items.truncate(usize::try_from(end).unwrap_or(0));
            }
            Values::Struct(columns) => columns.iter_mut().for_each(|c| c.truncate(rows)),
            Values::Nothing => {}
        }
        self.present.truncate(rows);
    }

    /// More than 32-bit offsets can tell; [`offset`] stopped counting then.
    fn is_too_long(&self) -> bool {
        let length = match &self.values {
            Values::Text { bytes, .. } => bytes.len(),
            Values::List { items, .. } => items.len(),
            _ => 0,
        };
        i32::try_from(length).is_err()
    }

    /// The Arrow array of all rows.
    pub(super) fn finish(self) -> Result<ArrayRef, ArrowError> {
        if self.is_too_long() {
            return Err(ArrowError::OffsetOverflowError(usize::try_from(i32::MAX).unwrap_or(0)));
        }
        let nulls = self.present.contains(&false).then(|| NullBuffer::from(self.present));
        Ok(match self.values {
            Values::Nothing => return Err(ArrowError::SchemaError("a column left out".to_owned())),
            Values::Text { ends, bytes } => Arc::new(StringArray::try_new(
                offsets(ends),
                Buffer::from_vec(bytes.into_bytes()),
                nulls,
            )?),
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            Values::Integer(values) => match self.kind {
                Kind::Timestamp | Kind::EpochSeconds => Arc::new(
                    TimestampMicrosecondArray::try_new(values.into(), nulls)?.with_timezone("UTC"),
                ),
                _ => Arc::new(Int64Array::try_new(values.into(), nulls)?),
            },
            Values::Decimal(values) => {
                let (precision, scale) = if matches!(self.kind, Kind::Rate) { RATE } else { MONEY };
                let array = Decimal128Array::try_new(values.into(), nulls)?;
                Arc::new(array.with_precision_and_scale(precision, scale)?)
            }
            Values::Date(values) => Arc::new(Date32Array::try_new(values.into(), nulls)?),
            Values::List { ends, items } => {
                let item: DataType = items.kind.to_arrow();
                let field = Arc::new(ArrowField::new("item", item, true));
                Arc::new(ListArray::try_new(field, offsets(ends), items.finish()?, nulls)?)
            }
            Values::Struct(columns) => {
                let DataType::Struct(fields) = self.kind.to_arrow() else {
                    return Err(ArrowError::SchemaError(
                        "a struct column of another kind".to_owned(),
                    ));
                };
                let rows = nulls
                    .as_ref()
                    .map_or_else(|| columns.first().map_or(0, Self::len), NullBuffer::len);
                let arrays = columns
                    .into_iter()
                    .filter(Self::is_kept)
                    .map(Self::finish)
                    .collect::<Result<Vec<_>, _>>()?;
                Arc::new(StructArray::try_new_with_length(fields, arrays, nulls, rows)?)
            }
        })
    }
}

/// A page is bounded far below 2 GB; a larger one fails when it is finished.
pub(super) fn offset(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    let mut all = Vec::with_capacity(ends.len() + 1);
    all.push(0);
    all.extend(ends);
    OffsetBuffer::new(ScalarBuffer::from(all))
}
