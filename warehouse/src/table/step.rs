//! How a table came from the version before it: the files with the rows that went and that came.
//!
//! A row is stored in a file of many, and a file is written anew when one of its rows goes. Whoever
//! asks what changed would have to read all of both files; a step says it in the size of the change.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::Snapshot;
use super::files::DataFile;
use crate::release::TableAt;
use crate::{Error, Result};

/// Where the rows that went are kept, below the table. Delta keeps its own changes there.
pub(super) const FOLDER: &str = "_change_data/";

/// What was replaced in a table. Rows that went and came again as they were are in both lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Digest of what it held before, as in [`TableAt::contents`].
    pub from: String,
    /// Digest of what it holds since.
    pub to: String,
    /// Files with the rows that went, relative to the table.
    pub gone: Vec<String>,
    /// Files with the rows that came.
    pub came: Vec<String>,
}

impl Step {
    pub(super) fn between(
        from: &TableAt,
        to: &TableAt,
        gone: Vec<String>,
        came: &[DataFile],
    ) -> Self {
        Self {
            from: from.contents.clone(),
            to: to.contents.clone(),
            gone,
            came: came.iter().map(|file| file.path.clone()).collect(),
        }
    }

    /// Whether it is the difference between these two.
    pub(crate) fn leads(&self, from: &TableAt, to: &TableAt) -> bool {
        self.from == from.contents && self.to == to.contents
    }
}

impl Snapshot {
    /// Whether all files of a step that leads here are still there.
    pub(crate) async fn knows(&self, step: &Step) -> Result<bool> {
        let (objects, folder) = self.place();
        for file in step.gone.iter().chain(&step.came) {
            let path = Path::from(format!("{folder}/{file}"));
            match objects.head(&path).await {
                Ok(_) => {}
                Err(object_store::Error::NotFound { .. }) => return Ok(false),
                Err(error) => return Err(Error::storage(format!("looking for `{path}`"))(error)),
            }
        }
        Ok(true)
    }

    /// The rows that went and those that came, read as `schema`; `None` where there are none.
    pub(crate) fn sides_of(&self, step: &Step, schema: &SchemaRef) -> Result<[Side; 2]> {
        Ok([self.provider_at(schema, &step.gone)?, self.provider_at(schema, &step.came)?])
    }
}

/// Something to read, if there is any file.
pub(crate) type Side = Option<Arc<dyn TableProvider>>;
