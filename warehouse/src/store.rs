//! Where the warehouse lives: one root address, five kinds of storage.
//!
//! `file://`, `memory://`, `s3://`, `gs://` and `az://` become an `object_store`, and every table
//! gets a Delta log store built on that very object, so that no global registry decides how a
//! table is opened. Commits are `PutMode::Create`, hence the S3 client is told to send
//! `If-None-Match` (`ETagMatch`): two writers can never both own one version, without a lock table.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};

use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use url::Url;

use crate::{Error, Result};

/// The named stores in memory of this process: `memory://name` is one place however often opened.
static NAMED: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);

/// An opened root.
#[derive(Clone)]
pub struct Store {
    root: Url,
    whole: Arc<dyn ObjectStore>,
    prefix: Path,
    below: Arc<dyn ObjectStore>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The object's own Debug may hold credentials.
        f.debug_struct("Store").field("root", &self.root.as_str()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens `root` without touching it.
    ///
    /// `options` are the store's own settings by their short or prefixed names: `endpoint`,
    /// `access_key_id`, `secret_access_key`, `region`, `allow_http`, .. An unknown one is an error.
    /// The environment is not read. `memory://` without a name is a new, private store.
    pub fn open(root: &Url, options: &BTreeMap<String, String>) -> Result<Self> {
        let mut root = root.clone();
        if !root.path().ends_with('/') {
            let path = format!("{}/", root.path());
            root.set_path(&path);
        }
        let (whole, prefix) = connect(&root, options)?;
        let below: Arc<dyn ObjectStore> =
            Arc::new(PrefixStore::new(Arc::clone(&whole), prefix.clone()));
        Ok(Self { root, whole, prefix, below })
    }

    /// A store of a test's own making, as if it were `memory:///`.
    #[cfg(test)]
    pub(crate) fn of(whole: Arc<dyn ObjectStore>) -> Self {
        let (root, prefix) = (Url::parse("memory:///").unwrap(), Path::default());
        Self { root, below: Arc::clone(&whole), whole, prefix }
    }

    /// The root address, ending in `/`.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// The objects below the root.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.below
    }

    /// The whole bucket, as the query engine wants it.
    pub(crate) fn whole(&self) -> &Arc<dyn ObjectStore> {
        &self.whole
    }

    /// The objects below `location` (a path below the root).
    pub(crate) fn objects_at(&self, location: &Path) -> Arc<dyn ObjectStore> {
        let prefix = self.prefix.parts().chain(location.parts()).collect::<Path>();
        Arc::new(PrefixStore::new(Arc::clone(&self.whole), prefix))
    }

    /// The address of `location`, ending in `/`.
    pub(crate) fn url_at(&self, location: &Path) -> Url {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty();
            for part in location.parts() {
                segments.push(part.as_ref());
            }
            segments.push("");
        }
        url
    }

    /// The log store of the table at `location`.
    pub(crate) fn log_store(&self, location: &Path) -> LogStoreRef {
        default_logstore(
            self.objects_at(location),
            Arc::clone(&self.whole),
            &self.url_at(location),
            &StorageConfig::default(),
        )
    }
}

fn connect(root: &Url, options: &BTreeMap<String, String>) -> Result<(Arc<dyn ObjectStore>, Path)> {
    let invalid = |reason: String| Error::Root { root: root.to_string(), reason };
    let failed = |error: object_store::Error| invalid(error.to_string());
    let prefix = Path::from_url_path(root.path()).map_err(|error| invalid(error.to_string()))?;
    let unknown = |key: &str| invalid(format!("unknown storage option `{key}`"));
    let store: Arc<dyn ObjectStore> = match root.scheme() {
        "file" | "memory" => {
            if let Some(key) = options.keys().next() {
                return Err(unknown(key));
            }
            if root.scheme() == "file" {
                // A staged file that is thrown away must not leave its folder behind.
                Arc::new(LocalFileSystem::new().with_automatic_cleanup(true))
            } else {
                memory(root.host_str())
            }
        }
        "s3" | "s3a" => {
            let mut builder = AmazonS3Builder::new().with_url(root.as_str());
            if options.keys().any(|key| key.ends_with("endpoint"))
                && !options.keys().any(|key| key.ends_with("region"))
            {
                builder = builder.with_region("us-east-1"); // servers that are not Amazon ignore it
            }
            for (key, value) in options {
                let name = key.parse::<AmazonS3ConfigKey>().map_err(|_| unknown(key))?;
                builder = builder.with_config(name, value);
            }
            builder = builder.with_conditional_put(S3ConditionalPut::ETagMatch);
            Arc::new(builder.build().map_err(failed)?)
        }
        "gs" => {
            let mut builder = GoogleCloudStorageBuilder::new().with_url(root.as_str());
            for (key, value) in options {
                let name = key.parse::<GoogleConfigKey>().map_err(|_| unknown(key))?;
                builder = builder.with_config(name, value);
            }
            Arc::new(builder.build().map_err(failed)?)
        }
        "az" | "abfs" | "abfss" => {
            let mut builder = MicrosoftAzureBuilder::new().with_url(root.as_str());
            for (key, value) in options {
                let name = key.parse::<AzureConfigKey>().map_err(|_| unknown(key))?;
                builder = builder.with_config(name, value);
            }
            Arc::new(builder.build().map_err(failed)?)
        }
        other => {
            return Err(invalid(format!(
                "`{other}` is none of `file`, `memory`, `s3`, `gs`, `az`"
            )));
        }
    };
    Ok((store, prefix))
}

fn memory(name: Option<&str>) -> Arc<InMemory> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Arc::new(InMemory::new());
    };
    let mut named = NAMED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Arc::clone(named.entry(name.to_owned()).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(root: &str, options: &[(&str, &str)]) -> Result<Store> {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Store::open(&Url::parse(root).unwrap(), &options)
    }

    #[test]
    fn every_scheme_opens_and_debug_shows_no_secret() {
        let s3 = open(
            "s3://bucket/a b/house",
            &[
                ("endpoint", "http://127.0.0.1:1"),
                ("access_key_id", "AK"),
                ("secret_access_key", "hidden-secret"),
                ("allow_http", "true"),
            ],
        )
        .unwrap();
        assert!(!format!("{s3:?}").contains("hidden-secret"));
        assert_eq!(s3.root().as_str(), "s3://bucket/a%20b/house/");
        assert_eq!(s3.url_at(&Path::from("raw/x/y")).as_str(), "s3://bucket/a%20b/house/raw/x/y/");
        open("memory:///", &[]).unwrap();
        open("file:///tmp/house", &[]).unwrap();
    }

    #[test]
    fn an_unknown_scheme_or_option_is_a_config_error() {
        for error in [
            open("ftp://host/x", &[]).unwrap_err(),
            open("s3://bucket/x", &[("endpont", "x")]).unwrap_err(),
            open("file:///tmp/x", &[("region", "x")]).unwrap_err(),
        ] {
            assert_eq!(error.kind(), crate::ErrorKind::Config, "{error}");
        }
    }
}
