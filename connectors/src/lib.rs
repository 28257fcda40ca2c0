//! The outside world: what Inkhouse reads from and what it writes to.
//!
//! Vendors' answers become Arrow batches of declared schemas here, and rows of export models become
//! vendors' requests. This crate knows no query engine and no table format; the runner owns every
//! loop, and a bookmark is opaque to everybody but its source.

mod destination;
mod error;
pub mod kit;
pub mod klaviyo;
pub mod meta;
pub mod printful;
pub mod printify;
pub mod registry;
pub mod shopify;
mod source;
pub mod stripe;

pub use destination::{
    BatchLimits, Delivery, Destination, Hold, Mapped, Outcome, Rejection, Submission,
};
pub use error::{Error, ErrorKind, Result};
pub use kit::record::{Field, Kind, Record};
pub use source::{Bookmark, EXTRA, Page, ROW_HASH, Reject, Source, Stream, stream_schema};
