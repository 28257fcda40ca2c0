//! JSON records to Arrow columns by the declared schema, in one pass over each record.
//!
//! A record that does not fit is cut out again and handed back as a reject with the place and the
//! reason; its neighbours stay. A field that the schema does not know is kept in `_extra`, at any
//! depth. Amounts go from their own digits to decimals, never through a float.

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array},
    record_batch::RecordBatch,
};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    column::{Column, Values, offset},
    json::{Cursor, Malformed, Next},
    record::{Field, Kind, MONEY, RATE},
    scalar,
};
use crate::{Bookmark, Error, Page, Reject, Result, Stream, stream_schema};

/// What came out of a page.
#[derive(Debug)]
pub struct Decoded {
    /// The records that fit, in order.
    pub rows: RecordBatch,
    /// The records that did not.
    pub rejects: Vec<Reject>,
}

/// Collects the records of a page.
#[derive(Debug)]
pub struct Decoder {
    stream: Stream,
    columns: Vec<Column>,
    context: Vec<Column>,
    extra: Column,
    hashes: Vec<i64>,
    rejects: Vec<Reject>,
}

/// Where in a record the decoder stands.
#[derive(Debug, Clone, Copy)]
enum Step {
    Field(&'static str),
    Item(usize),
}

/// Why a record does not fit.
#[derive(Debug)]
struct Misfit {
    pointer: String,
    reason: String,
}

impl Decoder {
    /// An empty page of this stream.
    pub fn new(stream: &Stream) -> Self {
        let columns = |fields: &[Field]| fields.iter().map(|f| Column::new(f.kind)).collect();
        Self {
            stream: *stream,
            columns: columns(stream.record.fields),
            context: columns(stream.context),
            extra: Column::new(Kind::Json),
            hashes: Vec::new(),
            rejects: Vec::new(),
        }
    }

    /// Takes a record, or sets it aside; tells whether it fits. `context` are the values of the
    /// stream's context columns.
    pub fn push(&mut self, record: &str, context: &[&str]) -> bool {
        let mut walk = Walk { cursor: Cursor::new(record), path: Vec::new(), extra: String::new() };
        match walk.record(self.stream.record.fields, &mut self.columns) {
            Ok(()) => {
                if walk.extra.is_empty() {
                    self.extra.push_null();
                } else {
                    walk.extra.push('}');
                    self.extra.push_text(&walk.extra);
                }
                let mut values = context.iter();
                for column in &mut self.context {
                    match values.next() {
                        Some(value) => column.push_text(value),
                        None => column.push_null(),
                    }
                }
                self.hashes.push(xxh3_64(record.as_bytes()).cast_signed());
                true
            }
            Err(misfit) => {
                let rows = self.hashes.len();
                self.columns.iter_mut().for_each(|column| column.truncate(rows));
                self.rejects.push(Reject {
                    record: record.to_owned(),
                    pointer: misfit.pointer,
                    reason: misfit.reason,
                });
                false
            }
        }
    }

    /// The page.
    ///
    /// # Errors
    /// A bug when the columns do not make a batch of the declared schema.
    pub fn finish(self) -> Result<Decoded> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len() + 2);
        let columns = self.columns.into_iter().chain(self.context).chain([self.extra]);
        let bug = |error: arrow::error::ArrowError| {
            Error::bug(format!("stream `{}` cannot be made a batch: {error}", self.stream.name))
        };
        for column in columns.filter(Column::is_kept) {
            arrays.push(column.finish().map_err(bug)?);
        }
        arrays.push(Arc::new(Int64Array::from(self.hashes)));
        let rows = RecordBatch::try_new(stream_schema(&self.stream), arrays).map_err(bug)?;
        Ok(Decoded { rows, rejects: self.rejects })
    }

    /// What did not fit, when the rows are of no use.
    pub fn into_rejects(self) -> Vec<Reject> {
        self.rejects
    }

    /// The page as a source hands it out; `bytes` is the size of the answers it was made from.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn page(self, bookmark: Bookmark, more: bool, bytes: u64) -> Result<Page> {
        let Decoded { rows, rejects } = self.finish()?;
        Ok(Page { rows, rejects, bookmark, more, bytes })
    }
}

/// One record being read.
struct Walk<'a> {
    cursor: Cursor<'a>,
    path: Vec<Step>,
    extra: String,
}

impl Walk<'_> {
    fn record(&mut self, fields: &'static [Field], columns: &mut [Column]) -> Result<(), Misfit> {
        match self.cursor.next() {
            Ok(Next::Object) => {}
            Ok(_) => return Err(self.misfit("a record is an object")),
            Err(malformed) => return Err(self.malformed(malformed)),
        }
        self.object(fields, columns)?;
        self.cursor.end().map_err(|malformed| self.malformed(malformed))
    }

    fn misfit(&self, reason: impl Into<String>) -> Misfit {
        Misfit { pointer: self.pointer(None), reason: reason.into() }
    }

    fn malformed(&self, malformed: Malformed) -> Misfit {
        self.misfit(format!("not JSON at byte {}", malformed.at))
    }

    fn expected(&self, kind: Kind) -> Misfit {
        self.misfit(format!("expected {}", kind.name()))
    }

    /// The JSON pointer of where the walk stands, or of a member below it.
    fn pointer(&self, member: Option<&str>) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            pointer.push('/');
            match step {
                Step::Field(name) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
                Step::Item(index) => {
                    // Writing to a String cannot fail.
                    write!(pointer, "{index}").ok();
                }
            }
        }
        if let Some(name) = member {
            pointer.push('/');
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        }
        pointer
    }

    /// An object's members into its columns, one value each.
    fn object(&mut self, fields: &'static [Field], columns: &mut [Column]) -> Result<(), Misfit> {
        let rows = columns.first().map_or(0, Column::len);
        let mut more = self.cursor.enter_object().map_err(|m| self.malformed(m))?;
        // Vendors write members in an order of their own and keep to it: the next one is most
        // often the next declared one.
        let mut likely = 0;
        while more {
            let name = self.cursor.name().map_err(|m| self.malformed(m))?;
            let place = match fields.get(likely) {
                Some(field) if field.name == name => Some(likely),
                _ => fields.iter().position(|field| field.name == name),
            };
            if let Some(at) = place
                && let (Some(field), Some(column)) = (fields.get(at), columns.get_mut(at))
            {
                likely = at + 1;
                // Of a member that comes twice the last one counts, as everywhere.
                if column.len() > rows {
                    column.truncate(rows);
                }
                self.path.push(Step::Field(field.name));
                self.value(column)?;
                self.path.pop();
            } else {
                self.unknown(&name)?;
            }
            more = self.cursor.next_member().map_err(|m| self.malformed(m))?;
        }
        for (field, column) in fields.iter().zip(columns) {
            if column.len() == rows {
                column.push_null();
            }
            if field.required && !column.is_present(rows) {
                return Err(Misfit {
                    pointer: self.pointer(Some(field.name)),
                    reason: "a required field is missing".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn unknown(&mut self, name: &str) -> Result<(), Misfit> {
        let value = self.cursor.skip().map_err(|m| self.malformed(m))?;
        self.extra.push(if self.extra.is_empty() { '{' } else { ',' });
        let key = serde_json::to_string(&self.pointer(Some(name)))
            .map_err(|error| self.misfit(error.to_string()))?;
        self.extra.push_str(&key);
        self.extra.push(':');
        self.extra.push_str(value);
        Ok(())
    }

    fn value(&mut self, column: &mut Column) -> Result<(), Misfit> {
        let next = self.cursor.next().map_err(|m| self.malformed(m))?;
        if next == Next::Null {
            self.cursor.null().map_err(|m| self.malformed(m))?;
            column.push_null();
            return Ok(());
        }
        let kind = column.kind();
        match (kind, &mut column.values, next) {
            (Kind::Json, Values::Text { ends, bytes }, _) => {
                bytes.push_str(self.cursor.skip().map_err(|m| self.malformed(m))?);
                ends.push(offset(bytes.len()));
            }
            (Kind::Ignored, ..) => {
                self.cursor.skip().map_err(|m| self.malformed(m))?;
            }
            (Kind::Text | Kind::Id, Values::Text { ends, bytes }, Next::Text) => {
                bytes.push_str(&self.cursor.string().map_err(|m| self.malformed(m))?);
                ends.push(offset(bytes.len()));
            }
            (Kind::Id, Values::Text { ends, bytes }, Next::Number) => {
                let number = self.cursor.number().map_err(|m| self.malformed(m))?;
                if !number.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
                    return Err(self.expected(kind));
                }
                bytes.push_str(number);
                ends.push(offset(bytes.len()));
            }
            (Kind::Boolean, Values::Boolean(values), Next::Boolean) => {
                values.push(self.cursor.boolean().map_err(|m| self.malformed(m))?);
            }
            (Kind::List(_), Values::List { ends, items }, Next::Array) => {
                self.items(items)?;
                ends.push(offset(items.len()));
            }
            (Kind::Connection(_), Values::List { ends, items }, Next::Array | Next::Object) => {
                if next == Next::Array {
                    self.items(items)?;
                } else {
                    self.connection(items)?;
                }
                ends.push(offset(items.len()));
            }
            (Kind::Struct(record), Values::Struct(columns), Next::Object) => {
                self.object(record.fields, columns)?;
            }
            (_, values, Next::Text | Next::Number) => {
                let text = if next == Next::Text {
                    self.cursor.string().map_err(|m| self.malformed(m))?
                } else {
                    self.cursor.number().map_err(|m| self.malformed(m))?.into()
                };
                if !scalar(kind, values, &text, next) {
                    return Err(self.expected(kind));
                }
            }
            _ => return Err(self.expected(kind)),
        }
        column.filled();
        Ok(())
    }

    fn items(&mut self, items: &mut Column) -> Result<(), Misfit> {
        let mut more = self.cursor.enter_array().map_err(|m| self.malformed(m))?;
        let mut index = 0;
        while more {
            self.path.push(Step::Item(index));
            self.value(items)?;
            self.path.pop();
            index += 1;
            more = self.cursor.next_item().map_err(|m| self.malformed(m))?;
        }
        Ok(())
    }

    /// `{nodes: [..], pageInfo}` or `{edges: [{node, cursor}], pageInfo}`: only the nodes are data.
    fn connection(&mut self, items: &mut Column) -> Result<(), Misfit> {
        let mut more = self.cursor.enter_object().map_err(|m| self.malformed(m))?;
        let mut found = false;
        while more {
            let name = self.cursor.name().map_err(|m| self.malformed(m))?;
            match name.as_ref() {
                "nodes" => {
                    found = true;
                    self.path.push(Step::Field("nodes"));
                    self.items(items)?;
                    self.path.pop();
                }
                "edges" => {
                    found = true;
                    self.path.push(Step::Field("edges"));
                    self.edges(items)?;
                    self.path.pop();
                }
                "pageInfo" => {
                    self.cursor.skip().map_err(|m| self.malformed(m))?;
                }
                _ => self.unknown(&name)?,
            }
            more = self.cursor.next_member().map_err(|m| self.malformed(m))?;
        }
        if found { Ok(()) } else { Err(self.misfit("a connection without `nodes` or `edges`")) }
    }

    fn edges(&mut self, items: &mut Column) -> Result<(), Misfit> {
        let mut more = self.cursor.enter_array().map_err(|m| self.malformed(m))?;
        let mut index = 0;
        while more {
            self.path.push(Step::Item(index));
            let mut inside = self.cursor.enter_object().map_err(|m| self.malformed(m))?;
            while inside {
                let name = self.cursor.name().map_err(|m| self.malformed(m))?;
                if name == "node" {
                    self.path.push(Step::Field("node"));
                    self.value(items)?;
                    self.path.pop();
                } else {
                    // A cursor is a place in the list, not data.
                    self.cursor.skip().map_err(|m| self.malformed(m))?;
                }
                inside = self.cursor.next_member().map_err(|m| self.malformed(m))?;
            }
            self.path.pop();
            index += 1;
            more = self.cursor.next_item().map_err(|m| self.malformed(m))?;
        }
        Ok(())
    }
}

/// A number's or a string's text as a value; false when it does not fit the kind.
fn scalar(kind: Kind, values: &mut Values, text: &str, next: Next) -> bool {
    match (kind, values) {
        (Kind::Integer, Values::Integer(all)) => put(all, scalar::integer(text)),
        (Kind::EpochSeconds, Values::Integer(all)) => put(all, scalar::epoch_seconds(text)),
        (Kind::Timestamp, Values::Integer(all)) if next == Next::Text => {
            put(all, scalar::timestamp(text))
        }
        (Kind::Date, Values::Date(all)) if next == Next::Text => put(all, scalar::date(text)),
        (Kind::Decimal, Values::Decimal(all)) => put(all, scalar::decimal(text, MONEY.0, MONEY.1)),
        (Kind::Rate, Values::Decimal(all)) => put(all, scalar::decimal(text, RATE.0, RATE.1)),
        _ => false,
    }
}

fn put<T>(all: &mut Vec<T>, value: Option<T>) -> bool {
    match value {
        Some(value) => {
            all.push(value);
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests;
