//! Taking over the files of another table of the same warehouse: copied inside the storage, by the
//! server or as a hard link, and named by one commit.
//!
//! File names never repeat, so a file of that name that is there already is that file: what a crash
//! left half done is done again without harm.

use std::collections::BTreeSet;

use deltalake::kernel::Action;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use super::log::{Change, Log, files_of};
use super::{DataFile, Snapshot, Table};
use crate::{Error, Result};

impl Table {
    /// Copies the files of `source` into the folder of this table, where no reader sees them yet.
    pub(crate) async fn copy_files(&self, source: &Snapshot) -> Result<()> {
        let objects = self.inner.ground.store.objects();
        for file in source.data_files() {
            let from = below(&source.name().location(), &file.path);
            let to = below(&self.inner.name.location(), &file.path);
            // A hard link put over itself would leave a stray name behind.
            match objects.head(&to).await {
                Ok(there) if there.size == file.bytes => continue,
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::storage(format!("looking at `{to}`"))(error)),
            }
            let copied = objects.copy(&from, &to).await;
            copied.map_err(Error::storage(format!("copying `{from}` to `{to}`")))?;
        }
        Ok(())
    }

    /// Makes the files of `source`, which were copied, the whole table, its schema included.
    /// Returns the version that holds them; no commit is made when the newest does already.
    ///
    /// Fails with [`Error::Race`] when another writer was first.
    pub(crate) async fn commit_files_of(&self, source: &Snapshot) -> Result<i64> {
        let mut log = self.inner.log.lock().await;
        log.create(&source.schema()).await?;
        let wanted: BTreeSet<&str> =
            source.data_files().iter().map(|file| file.path.as_str()).collect();
        let mut actions = log.removals(|path| !wanted.contains(path))?;
        let standing = standing(&log);
        if let Some(state) = log.current()
            && log.schema_of(state)? != source.schema()
        {
            actions.push(log.new_schema(&source.schema())?);
        }
        let new = source.data_files().iter().filter(|file| !standing.contains(&file.path));
        actions.extend(new.map(|file| Action::Add(file.add())));
        if actions.is_empty() {
            return Ok(log.version().unwrap_or_default());
        }
        match log.commit(actions, Change::Rewrite, None, None).await {
            Err(Error::Race { table }) => {
                // An answer lost on the way makes the client meet its own commit.
                log.refresh().await?;
                let same = self::standing(&log).iter().map(String::as_str).eq(wanted);
                log.version().filter(|_| same).ok_or(Error::Race { table })
            }
            other => other,
        }
    }
}

/// The paths of the files that the newest version has.
fn standing(log: &Log) -> BTreeSet<String> {
    let files = log.current().map(files_of).unwrap_or_default();
    files.into_iter().map(|DataFile { path, .. }| path).collect()
}

fn below(folder: &Path, file: &str) -> Path {
    let file = Path::from(file);
    folder.parts().chain(file.parts()).collect()
}
