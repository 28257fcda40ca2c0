//! Releases: one small object names one version for every table of a build.
//!
//! `_inkhouse/releases/<N>.json` is written by one conditional put and never changed; the current
//! release is the highest N. A build that began from N-1 publishes N or learns that another build
//! did; readers see a whole release or the whole one before.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Warehouse};

/// One consistent set of table versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// 1, 2, 3, ..
    pub number: u64,
    /// When it was published, by the run's clock.
    pub created_at: DateTime<Utc>,
    /// The run that built it.
    pub run_id: String,
    /// Table name -> Delta version.
    pub tables: BTreeMap<String, i64>,
    /// Model -> what its table was computed from; raw table -> what it held.
    #[serde(default)]
    pub fingerprints: BTreeMap<String, String>,
}

fn folder() -> Path {
    Path::from_iter(["_inkhouse", "releases"])
}

fn path(number: u64) -> Path {
    folder().join(format!("{number:020}.json"))
}

impl Warehouse {
    /// The numbers of all releases, ascending.
    pub async fn release_numbers(&self) -> Result<Vec<u64>> {
        let folder = folder();
        let mut numbers: Vec<u64> = self
            .store()
            .objects()
            .list(Some(&folder))
            .try_filter_map(|object| async move {
                let name = object.location.filename().and_then(|name| name.strip_suffix(".json"));
                Ok(name.and_then(|name| name.parse::<u64>().ok()))
            })
            .try_collect()
            .await
            .map_err(Error::storage(format!("listing `{folder}`")))?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The newest release, or `None` before the first.
    pub async fn current_release(&self) -> Result<Option<Release>> {
        match self.release_numbers().await?.last() {
            Some(number) => self.release(*number).await.map(Some),
            None => Ok(None),
        }
    }

    /// Release `number`.
    ///
    /// Fails with [`Error::Damaged`] when the object is not there or does not read.
    pub async fn release(&self, number: u64) -> Result<Release> {
        let path = path(number);
        let damaged = |reason: String| Error::Damaged { path: path.to_string(), reason };
        let failed = || Error::storage(format!("reading `{path}`"));
        let object = match self.store().objects().get(&path).await {
            Ok(object) => object,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(damaged("there is no such release".to_owned()));
            }
            Err(error) => return Err(failed()(error)),
        };
        let bytes = object.bytes().await.map_err(failed())?;
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
    }

    /// Publishes `tables` as the release after `previous` and returns it.
    ///
    /// Fails with [`Error::ReleaseRace`] when another build published that number; nothing of
    /// this one is visible then.
    pub async fn publish_release(
        &self,
        previous: Option<u64>,
        created_at: DateTime<Utc>,
        run_id: &str,
        tables: BTreeMap<String, i64>,
    ) -> Result<Release> {
        self.publish(previous, created_at, run_id, tables, BTreeMap::new()).await
    }

    /// Like [`Warehouse::publish_release`], with what the tables were computed from.
    pub(crate) async fn publish(
        &self,
        previous: Option<u64>,
        created_at: DateTime<Utc>,
        run_id: &str,
        tables: BTreeMap<String, i64>,
        fingerprints: BTreeMap<String, String>,
    ) -> Result<Release> {
        let number = previous.unwrap_or(0).saturating_add(1);
        let run_id = run_id.to_owned();
        let release = Release { number, created_at, run_id, tables, fingerprints };
        let path = path(number);
        let bytes = serde_json::to_vec(&release).map_err(|error| Error::Damaged {
            path: path.to_string(),
            reason: error.to_string(),
        })?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store().objects().put_opts(&path, bytes.into(), options).await {
            Ok(_) => Ok(release),
            Err(object_store::Error::AlreadyExists { .. }) => {
                // A retried put may have met itself.
                match self.release(number).await? {
                    standing if standing == release => Ok(release),
                    _ => Err(Error::ReleaseRace { number }),
                }
            }
            Err(error) => Err(Error::storage(format!("writing `{path}`"))(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::Options;

    #[tokio::test]
    async fn of_two_builds_one_publishes_and_the_other_learns_it() {
        let root = Url::parse("memory:///").unwrap();
        let house = Warehouse::open(&root, &BTreeMap::new(), Options::default()).unwrap();
        assert_eq!(house.current_release().await.unwrap(), None);
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let of = |v: i64| BTreeMap::from([("fct_orders".to_owned(), v)]);
        let (a, b) = tokio::join!(
            house.publish_release(None, at, "run-a", of(1)),
            house.publish_release(None, at, "run-b", of(2)),
        );
        let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
        let won = won.unwrap();
        assert!(matches!(lost.unwrap_err(), Error::ReleaseRace { number: 1 }));
        assert_eq!(house.current_release().await.unwrap(), Some(won.clone()));
        let next = house.publish_release(Some(1), at, "run-c", of(3)).await.unwrap();
        assert_eq!(house.current_release().await.unwrap(), Some(next));
        assert_eq!(house.release(1).await.unwrap(), won);
    }
}
