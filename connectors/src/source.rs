//! What a source is: streams that are read page by page, each page with the bookmark after it.
//!
//! Pull, not push: the runner owns the loop, so a source has no task, no retry loop over pages, no
//! clock and no progress bar, and any page can be read again from its bookmark. Of every key the
//! newest version wins, so reading a record twice does no harm.

use std::{fmt::Debug, path::Path, str::FromStr, sync::Arc};

use arrow::{
    datatypes::{DataType, Field as ArrowField, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error, Result,
    kit::record::{Field, Record},
};

/// The column that keeps what the declared schema does not know: one JSON object, pointer to value.
pub const EXTRA: &str = "_extra";
/// The column with the hash of the record's bytes, by which an unchanged record is recognised.
pub const ROW_HASH: &str = "_row_hash";

/// Where a stream stands. Opaque to everybody but its source; empty at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bookmark(String);

impl Bookmark {
    /// Nothing has been read.
    pub fn start() -> Self {
        Self::default()
    }

    /// The text to keep.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing has been read.
    pub fn is_start(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes a source's own state down.
    pub(crate) fn of<T: Serialize>(state: &T) -> Result<Self> {
        serde_json::to_string(state)
            .map(Self)
            .map_err(|error| Error::bug(format!("a bookmark cannot be written: {error}")))
    }

    /// A source's own state; its default at the start.
    pub(crate) fn parse<T: DeserializeOwned + Default>(&self) -> Result<T> {
        if self.is_start() {
            return Ok(T::default());
        }
        serde_json::from_str(&self.0).map_err(|error| {
            Error::bug(format!("a bookmark cannot be read: {error}"))
                .with_hint("it was written by another version; reset the stream to read it afresh")
        })
    }
}

impl From<String> for Bookmark {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Bookmark {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// One stream of a source: a name, a key, and the declared schema of its records.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    /// The stream's name; with the source's it names the raw table.
    pub name: &'static str,
    /// The columns that identify a record.
    pub key: &'static [&'static str],
    /// The declared record, names as the vendor writes them.
    pub record: &'static Record,
    /// Columns that the record does not hold and the source adds, such as the shop it came from.
    pub context: &'static [Field],
}

/// One page: its rows, what did not fit, and the bookmark that follows it.
#[derive(Debug)]
pub struct Page {
    /// Rows in the shape of [`stream_schema`].
    pub rows: RecordBatch,
    /// Records that did not fit.
    pub rejects: Vec<Reject>,
    /// Where to go on. With `more == false`: where the next night begins.
    pub bookmark: Bookmark,
    /// Whether there is another page to read now.
    pub more: bool,
    /// Bytes of the answers that this page was made of.
    pub bytes: u64,
}

/// A record that did not fit the declared schema.
#[derive(Clone, PartialEq, Eq)]
pub struct Reject {
    /// The record's JSON, as it came.
    pub record: String,
    /// JSON pointer of what did not fit; empty for the record as a whole.
    pub pointer: String,
    /// Why, without the value.
    pub reason: String,
}

/// Shows no record: it may hold personal data.
impl Debug for Reject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reject")
            .field("pointer", &self.pointer)
            .field("reason", &self.reason)
            .field("record_bytes", &self.record.len())
            .finish()
    }
}

/// A vendor that is read.
#[async_trait]
pub trait Source: Send + Sync + Debug {
    /// The vendor's name, as in `[sources.shopify]`.
    fn name(&self) -> &'static str;

    /// Everything it can be asked for.
    fn streams(&self) -> &'static [Stream];

    /// The cheapest call that needs a valid token; returns what answered.
    async fn check(&self) -> Result<String>;

    /// Reads the page at the bookmark. `now` is the run's clock.
    async fn read(&self, stream: &Stream, bookmark: &Bookmark, now: DateTime<Utc>) -> Result<Page>;

    /// Decodes saved answers of the vendor, found in `dir`, in the order of their names.
    ///
    /// # Errors
    /// A config error when this source has no form of saved answers.
    fn read_files(&self, stream: &Stream, dir: &Path) -> Result<Vec<Page>> {
        let _ = (stream, dir);
        Err(Error::config(format!("`{}` cannot read saved files", self.name())))
    }
}

/// The Arrow schema of a stream's rows: the record's fields, the context, [`EXTRA`], [`ROW_HASH`].
pub fn stream_schema(stream: &Stream) -> SchemaRef {
    let mut fields: Vec<ArrowField> = stream
        .record
        .fields
        .iter()
        .chain(stream.context)
        .copied()
        .filter(Field::is_kept)
        .map(Field::to_arrow)
        .collect();
    fields.push(ArrowField::new(EXTRA, DataType::Utf8, true));
    fields.push(ArrowField::new(ROW_HASH, DataType::Int64, false));
    Arc::new(Schema::new(fields))
}
