//! The declared schema of a stream's records, written in code as constants.
//!
//! Names are the vendor's own and become column names as they are. Money is a decimal or an
//! integer of minor units; there is no float kind, so that no cent can pass through one.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Fields, TimeUnit};

/// Digits of money: 18 in all, 4 behind the point.
pub(crate) const MONEY: (u8, i8) = (18, 4);
/// Digits of a rate: 18 in all, 8 behind the point.
pub(crate) const RATE: (u8, i8) = (18, 8);

/// The fields of a JSON object.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// In the order of the columns.
    pub fields: &'static [Field],
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The vendor's name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// A record without it does not fit.
    pub required: bool,
    /// Tells who somebody is.
    pub pii: bool,
}

/// What a field holds. Every kind takes `null`.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A string.
    Text,
    /// A string or an integer, kept as text.
    Id,
    /// `true` or `false`.
    Boolean,
    /// A 64-bit integer; a number or a string of digits.
    Integer,
    /// Money: `decimal(18, 4)`, exact, from a number's own text or a string.
    Decimal,
    /// A rate: `decimal(18, 8)`, exact, likewise.
    Rate,
    /// An instant as text: ISO 8601 with offset, or `YYYY-MM-DD HH:MM:SS+00:00`.
    Timestamp,
    /// An instant as whole seconds since 1970.
    EpochSeconds,
    /// A day: `YYYY-MM-DD`.
    Date,
    /// Any JSON, kept as its text.
    Json,
    /// Known and left out: it gets no column and does not come under `_extra`.
    Ignored,
    /// An array.
    List(&'static Self),
    /// An object.
    Struct(&'static Record),
    /// GraphQL's `{nodes: [..]}` or `{edges: [{node}]}`, kept as a list.
    Connection(&'static Self),
}

impl Field {
    /// A field that may be missing.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false, pii: false }
    }

    /// The same, and a record without it does not fit.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same, and it tells who somebody is.
    #[must_use]
    pub const fn pii(mut self) -> Self {
        self.pii = true;
        self
    }

    /// Whether it gets a column.
    pub const fn is_kept(&self) -> bool {
        !matches!(self.kind, Kind::Ignored)
    }

    /// The column. Always nullable: `required` is judged record by record, so that a misfit is
    /// one reject and not a failed page.
    pub(crate) fn to_arrow(self) -> ArrowField {
        ArrowField::new(self.name, self.kind.to_arrow(), true)
    }
}

impl Record {
    /// The columns.
    pub(crate) fn to_arrow(self) -> Fields {
        self.fields.iter().copied().filter(Field::is_kept).map(Field::to_arrow).collect()
    }
}

impl Kind {
    /// The column type.
    pub(crate) fn to_arrow(self) -> DataType {
        match self {
            Self::Text | Self::Id | Self::Json => DataType::Utf8,
            Self::Ignored => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Decimal => DataType::Decimal128(MONEY.0, MONEY.1),
            Self::Rate => DataType::Decimal128(RATE.0, RATE.1),
            Self::Timestamp | Self::EpochSeconds => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            Self::Date => DataType::Date32,
            Self::List(item) | Self::Connection(item) => {
                DataType::List(Arc::new(ArrowField::new("item", item.to_arrow(), true)))
            }
            Self::Struct(record) => DataType::Struct(record.to_arrow()),
        }
    }

    /// What the kind is called in a reject's reason.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Id => "an id (text or integer)",
            Self::Boolean => "true or false",
            Self::Integer => "a 64-bit integer",
            Self::Decimal => "an amount of at most 14 digits and 4 decimals",
            Self::Rate => "a rate of at most 10 digits and 8 decimals",
            Self::Timestamp => "a timestamp with offset",
            Self::EpochSeconds => "seconds since 1970",
            Self::Date => "a date (YYYY-MM-DD)",
            Self::Json | Self::Ignored => "JSON",
            Self::List(_) => "a list",
            Self::Struct(_) => "an object",
            Self::Connection(_) => "a connection",
        }
    }
}
