//! What every connector is made of: HTTP, decoding, bookmarks of lists that are hard to page.

mod column;
#[cfg(test)]
pub(crate) mod conformance;
pub mod decode;
#[cfg(test)]
pub(crate) mod fake;
pub mod http;
mod json;
pub(crate) mod newest_first;
mod pace;
pub mod record;
mod scalar;
pub(crate) mod snapshot;
