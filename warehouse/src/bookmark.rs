//! Bookmarks: numbered objects that say where a stream goes on.
//!
//! The number is chosen by one conditional put and the object is never changed afterwards. It
//! counts only when the raw table's own `txn` names it, and `txn` is committed together with the
//! rows. An object that no commit names (a crash, a lost race) is passed over and pruned later.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Committed objects kept for people to look at.
const KEPT: i64 = 10;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) bookmark: String,
    pub(crate) run_id: String,
    pub(crate) at: DateTime<Utc>,
}

/// The bookmark objects of one stream.
#[derive(Debug)]
pub(crate) struct Bookmarks {
    objects: Arc<dyn ObjectStore>,
    folder: Path,
    /// The highest number seen, committed or not.
    last: i64,
}

impl Bookmarks {
    /// Lists the numbers in use; one request.
    pub(crate) async fn open(
        objects: Arc<dyn ObjectStore>,
        source: &str,
        stream: &str,
        committed: i64,
    ) -> Result<Self> {
        let folder = Path::from_iter(["_inkhouse", "bookmarks", source, stream]);
        let listed: Vec<_> = objects
            .list(Some(&folder))
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .map_err(Error::storage(format!("listing `{folder}`")))?;
        let numbered = |path: &Path| path.filename()?.strip_suffix(".json")?.parse::<i64>().ok();
        let last = listed.iter().filter_map(numbered).max().unwrap_or(0).max(committed);
        let old: Vec<Path> = listed
            .into_iter()
            .filter(|path| numbered(path).is_some_and(|n| n < committed.saturating_sub(KEPT)))
            .collect();
        let mut gone = objects.delete_stream(futures::stream::iter(old).map(Ok).boxed());
        while let Some(deleted) = gone.next().await {
            if let Err(error) = deleted {
                tracing::debug!(%folder, %error, "an old bookmark was left behind");
            }
        }
        drop(gone);
        Ok(Self { objects, folder, last })
    }

    fn path(&self, number: i64) -> Path {
        self.folder.clone().join(format!("{number:020}.json"))
    }

    /// The text of number `number`; `None` when the object is gone.
    pub(crate) async fn read(&self, number: i64) -> Result<Option<Saved>> {
        let path = self.path(number);
        let failed = || Error::storage(format!("reading `{path}`"));
        let bytes = match self.objects.get(&path).await {
            Ok(object) => object.bytes().await.map_err(failed())?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed()(error)),
        };
        let damaged = |error: serde_json::Error| Error::Damaged {
            path: path.to_string(),
            reason: error.to_string(),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// Writes `saved` under the next free number, which it returns.
    pub(crate) async fn write(&mut self, saved: &Saved) -> Result<i64> {
        let damaged = |path: &Path, error: serde_json::Error| Error::Damaged {
            path: path.to_string(),
            reason: error.to_string(),
        };
        loop {
            self.last += 1;
            let path = self.path(self.last);
            let bytes = serde_json::to_vec(saved).map_err(|error| damaged(&path, error))?;
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match self.objects.put_opts(&path, bytes.into(), options).await {
                Ok(_) => return Ok(self.last),
                Err(object_store::Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(Error::storage(format!("writing `{path}`"))(error)),
            }
        }
    }
}
