//! Which environments there are, what they hold, and how one is dropped.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use super::Environment;
use crate::table::Layer;
use crate::{Error, Release, Result, Warehouse};

/// The layers whose tables belong to an environment.
const LAYERS: [Layer; 4] = [Layer::Staging, Layer::Intermediate, Layer::Marts, Layer::Exports];

/// What an environment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentState {
    /// Which.
    pub environment: Environment,
    /// Its releases.
    pub releases: usize,
    /// The newest of them.
    pub current: Option<Release>,
    /// Models of the newest whose table was built in it.
    pub own: usize,
    /// Models of the newest whose table is `prod`'s.
    pub shared: usize,
    /// Bytes of all its own tables, older versions included.
    pub bytes: u64,
}

impl Warehouse {
    /// All environments that have a release or a table: `prod` first, then by name.
    pub async fn environments(&self) -> Result<Vec<Environment>> {
        let mut found = BTreeSet::new();
        for folder in [Path::from_iter(["_inkhouse", "environments"]), Path::from("environments")] {
            let listing = self.store().objects().list_with_delimiter(Some(&folder)).await;
            let listing = listing.map_err(Error::storage(format!("listing `{folder}`")))?;
            let names = listing.common_prefixes.iter().filter_map(Path::filename);
            found.extend(names.filter_map(|name| name.parse::<Environment>().ok()));
        }
        found.remove(&Environment::default());
        Ok(std::iter::once(Environment::default()).chain(found).collect())
    }

    /// What an environment holds. Its folders are listed, no file is read.
    pub async fn environment_state(&self, environment: &Environment) -> Result<EnvironmentState> {
        let releases = self.release_numbers(environment).await?.len();
        let current = self.current_release(environment).await?;
        let models = current.iter().flat_map(|release| &release.tables);
        let models = models.filter(|(name, _)| !name.contains('.'));
        let (own, shared): (Vec<_>, Vec<_>) =
            models.partition(|(_, at)| at.environment == *environment);
        let (own, shared) = (own.len(), shared.len());
        let mut bytes = 0;
        for folder in own_folders(environment) {
            bytes += self
                .store()
                .objects()
                .list(Some(&folder))
                .try_fold(0, |sum, object| async move { Ok(sum + object.size) })
                .await
                .map_err(Error::storage(format!("listing `{folder}`")))?;
        }
        let environment = environment.clone();
        Ok(EnvironmentState { environment, releases, current, own, shared, bytes })
    }

    /// Deletes the releases of an environment and the tables that were built in it.
    ///
    /// The newest release goes first, so that what is left of it is whole whenever this ends; to
    /// drop it again finishes the work. Fails with [`Error::IsProd`].
    pub async fn drop_environment(&self, environment: &Environment) -> Result<()> {
        if environment.is_prod() {
            return Err(Error::IsProd("dropped"));
        }
        let mut numbers = self.release_numbers(environment).await?;
        while let Some(number) = numbers.pop() {
            self.forget_release(environment, number).await?;
        }
        for folder in own_folders(environment) {
            let objects = self.store().objects();
            let paths = objects.list(Some(&folder)).map_ok(|object| object.location);
            let paths: Vec<_> = paths.collect().await;
            let deleted = objects.delete_stream(futures::stream::iter(paths).boxed());
            deleted
                .try_for_each(|_| async { Ok(()) })
                .await
                .map_err(Error::storage(format!("deleting what is below `{folder}`")))?;
        }
        self.forget_tables(environment);
        Ok(())
    }

    async fn forget_release(&self, environment: &Environment, number: u64) -> Result<()> {
        let path = crate::release::path(environment, number);
        match self.store().objects().delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::storage(format!("deleting `{path}`"))(error)),
        }
    }
}

fn own_folders(environment: &Environment) -> impl Iterator<Item = Path> + use<> {
    let tables = environment.tables();
    LAYERS.into_iter().map(move |layer| tables.clone().join(layer.folder()))
}
