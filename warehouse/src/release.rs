//! Releases: one small object names one version for every table of a build.
//!
//! `<environment>/releases/<N>.json` is written by one conditional put and never changed; the
//! current release is the highest N. A build that began from N-1 publishes N or learns that
//! another build did; readers see a whole release or the whole one before.

mod difference;
#[cfg(test)]
mod race;
mod rollback;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

pub use self::difference::{Difference, TableChange};
use crate::environment::Environment;
use crate::lineage::Shape;
use crate::table::{Layer, Step, TableName};
use crate::{Error, Result, Warehouse};

/// One consistent set of table versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// 1, 2, 3, .. within its environment.
    pub number: u64,
    /// When it was published, by the run's clock.
    pub created_at: DateTime<Utc>,
    /// The run that published it.
    pub run_id: String,
    /// Why it is there, when no build made it: `rollback to release 7`, `promoted from dev 3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The release of `prod` that it was built beside, in another environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<u64>,
    /// Table name -> where it stands.
    pub tables: BTreeMap<String, TableAt>,
    /// Model -> what its table was computed from.
    #[serde(default)]
    pub models: BTreeMap<String, Basis>,
    /// Model, views too -> what its columns were computed from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shapes: BTreeMap<String, Shape>,
    /// Model -> how its table came from the one before, where only a part of it was replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, Step>,
}

/// One version of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableAt {
    /// The Delta version.
    pub version: i64,
    /// Digest of the files it has and of its schema: equal digests are equal tables, wherever they
    /// lie and whatever else their logs say.
    pub contents: String,
    /// Where the table was built; raw tables are `prod`'s.
    #[serde(default, skip_serializing_if = "Environment::is_prod")]
    pub environment: Environment,
}

/// What the rows of a model's table are a function of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// Digest of the normalised plan, with the views it reads pasted in.
    pub plan: String,
    /// Digest of what the header says about rows and checks.
    pub header: String,
    /// Version of the code and of the engine that computed it.
    pub engine: String,
    /// Stored table that it reads -> where that stood; `None` for a raw table that did not exist.
    pub inputs: BTreeMap<String, Option<TableAt>>,
    /// Stored table that its checks compare with -> digest of what that held.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub compared: BTreeMap<String, String>,
    /// Digest of the rows as a bag, where it is known: equal digests are equal rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<String>,
}

impl Basis {
    /// Whether the same rows would come out: all but the digest of the rows themselves.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.differences(other).is_empty()
    }
}

impl TableAt {
    /// The name of the table that `model` (or a raw table's full name) is at.
    ///
    /// `layer` places a model; [`TableName`] of a raw or ops name needs none.
    pub fn table_name(&self, name: &str, layer: Option<Layer>) -> Result<TableName> {
        let table = match layer {
            Some(layer) if !name.contains('.') => TableName::model(layer, name),
            _ => name.parse()?,
        };
        Ok(table.built_in(&self.environment))
    }
}

pub(crate) fn path(environment: &Environment, number: u64) -> Path {
    environment.releases().join(format!("{number:020}.json"))
}

impl Warehouse {
    /// The numbers of all releases of an environment, ascending.
    pub async fn release_numbers(&self, environment: &Environment) -> Result<Vec<u64>> {
        let folder = environment.releases();
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

    /// The newest release of an environment, or `None` before the first.
    pub async fn current_release(&self, environment: &Environment) -> Result<Option<Release>> {
        match self.release_numbers(environment).await?.last() {
            Some(number) => self.release(environment, *number).await.map(Some),
            None => Ok(None),
        }
    }

    /// Release `number` of an environment.
    ///
    /// Fails with [`Error::UnknownRelease`] when there is none, [`Error::Damaged`] when it does not
    /// read.
    pub async fn release(&self, environment: &Environment, number: u64) -> Result<Release> {
        let path = path(environment, number);
        let failed = || Error::storage(format!("reading `{path}`"));
        let object = match self.store().objects().get(&path).await {
            Ok(object) => object,
            Err(object_store::Error::NotFound { .. }) => {
                let environment = environment.name().to_owned();
                return Err(Error::UnknownRelease { environment, number });
            }
            Err(error) => return Err(failed()(error)),
        };
        let bytes = object.bytes().await.map_err(failed())?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::Damaged { path: path.to_string(), reason: error.to_string() })
    }

    /// Publishes `release` under the number it bears.
    ///
    /// Fails with [`Error::ReleaseRace`] when another build published that number; nothing of
    /// this one is visible then.
    pub async fn publish(&self, environment: &Environment, release: &Release) -> Result<()> {
        let number = release.number;
        let path = path(environment, number);
        let bytes = serde_json::to_vec(release).map_err(|error| Error::Damaged {
            path: path.to_string(),
            reason: error.to_string(),
        })?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store().objects().put_opts(&path, bytes.into(), options).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => {
                // A retried put may have met itself.
                match self.release(environment, number).await? {
                    standing if standing == *release => Ok(()),
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

    fn release(number: u64, run_id: &str, version: i64) -> Release {
        let contents = version.to_string();
        let at = TableAt { version, contents, environment: Environment::default() };
        Release {
            number,
            created_at: DateTime::<Utc>::UNIX_EPOCH,
            run_id: run_id.to_owned(),
            note: None,
            beside: None,
            tables: BTreeMap::from([("fct_orders".to_owned(), at)]),
            models: BTreeMap::new(),
            shapes: BTreeMap::new(),
            steps: BTreeMap::new(),
        }
    }

    #[tokio::test]
    async fn of_two_builds_one_publishes_and_the_other_learns_it() {
        let root = Url::parse("memory:///").unwrap();
        let house = Warehouse::open(&root, &BTreeMap::new(), Options::default()).unwrap();
        let prod = Environment::default();
        assert_eq!(house.current_release(&prod).await.unwrap(), None);
        let (first, second) = (release(1, "run-a", 1), release(1, "run-b", 2));
        let (a, b) = tokio::join!(house.publish(&prod, &first), house.publish(&prod, &second));
        let (won, lost) = if a.is_ok() { (first, b) } else { (second, a) };
        assert!(matches!(lost.unwrap_err(), Error::ReleaseRace { number: 1 }));
        assert_eq!(house.current_release(&prod).await.unwrap(), Some(won.clone()));
        house.publish(&prod, &release(2, "run-c", 3)).await.unwrap();
        assert_eq!(house.current_release(&prod).await.unwrap(), Some(release(2, "run-c", 3)));
        assert_eq!(house.release(&prod, 1).await.unwrap(), won);
        let dev: Environment = "dev".parse().unwrap();
        assert_eq!(house.current_release(&dev).await.unwrap(), None);
        let error = house.release(&prod, 9).await.unwrap_err();
        assert_eq!(error.to_string(), "environment `prod` has no release 9");
    }
}
