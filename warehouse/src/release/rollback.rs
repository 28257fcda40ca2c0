//! Rolling back: an older release's tables under a new number.
//!
//! Numbers only grow and nothing is taken away, so a rollback can itself be rolled back. What the
//! release names is looked at first, to the last file: readers are never sent to a broken table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use super::{Release, TableAt};
use crate::environment::Environment;
use crate::table::{Layer, Snapshot};
use crate::{Error, Project, Result, Warehouse};

/// Tables looked at at a time.
const PARALLEL: usize = 8;

impl Warehouse {
    /// Publishes the tables of release `number` again, as the newest release.
    ///
    /// `None` when readers see these tables already. Fails with [`Error::UnknownRelease`],
    /// [`Error::Incomplete`] when a version or a file of it is gone, [`Error::ReleaseRace`];
    /// nothing is published then.
    pub async fn rollback(
        &self,
        project: &Project,
        environment: &Environment,
        number: u64,
        run_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Release>> {
        let target = self.release(environment, number).await?;
        let Some(standing) = self.current_release(environment).await? else {
            return Err(Error::UnknownRelease { environment: environment.to_string(), number });
        };
        if standing.changes_since(Some(&target)).is_empty() && standing.models == target.models {
            return Ok(None);
        }
        let looks: Vec<BoxFuture<'_, Result<Option<String>>>> = target
            .tables
            .iter()
            .map(|(name, at)| self.missing(project, name, at).boxed())
            .collect();
        let missing: Vec<Option<String>> =
            futures::stream::iter(looks).buffered(PARALLEL).try_collect().await?;
        let missing: Vec<String> = missing.into_iter().flatten().collect();
        if !missing.is_empty() {
            let environment = environment.to_string();
            return Err(Error::Incomplete { environment, number, missing });
        }
        let release = Release {
            number: standing.number.saturating_add(1),
            created_at: now,
            run_id: run_id.to_owned(),
            note: Some(format!("rollback to release {number}")),
            ..target
        };
        self.publish(environment, &release).await?;
        Ok(Some(release))
    }

    /// What of a table is gone, in words.
    async fn missing(&self, project: &Project, name: &str, at: &TableAt) -> Result<Option<String>> {
        let snapshot = match self.stands_at(project, name, at).await {
            Ok(snapshot) => snapshot,
            Err(Error::Missing { .. }) => {
                return Ok(Some(format!("`{name}` has no version {} any more", at.version)));
            }
            Err(error) => return Err(error),
        };
        let folder = snapshot.name().location();
        let there: BTreeMap<String, u64> = self
            .store()
            .objects_at(&folder)
            .list(None)
            .map_ok(|object| (object.location.to_string(), object.size))
            .try_collect()
            .await
            .map_err(Error::storage(format!("listing `{folder}`")))?;
        let gone = |file: &&crate::table::DataFile| there.get(&file.path) != Some(&file.bytes);
        let mut gone = snapshot.data_files().iter().filter(gone);
        let Some(first) = gone.next() else { return Ok(None) };
        let more = match gone.count() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        let (version, path) = (at.version, &first.path);
        Ok(Some(format!("`{name}` at version {version} lacks its file `{path}`{more}")))
    }

    /// The table that a release names, of that very content.
    ///
    /// A model is looked for where `project` places it, then where others were placed: it may have
    /// left the project since. Fails with [`Error::Missing`].
    pub(crate) async fn stands_at(
        &self,
        project: &Project,
        name: &str,
        at: &TableAt,
    ) -> Result<Snapshot> {
        let placed = project.model(name).map(|model| model.layer);
        let mut layers = vec![placed];
        if !name.contains('.') {
            let others = [Layer::Staging, Layer::Intermediate, Layer::Marts, Layer::Exports];
            layers.extend(others.into_iter().map(Some).filter(|layer| *layer != placed));
        }
        for layer in layers {
            let table = self.table(&at.table_name(name, layer)?);
            match table.snapshot_at(at.version).await {
                Ok(snapshot) if snapshot.contents() == at.contents => return Ok(snapshot),
                Ok(_) | Err(Error::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Missing { table: name.to_owned(), version: Some(at.version) })
    }
}

#[cfg(test)]
mod tests;
