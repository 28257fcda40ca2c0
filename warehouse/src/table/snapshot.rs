//! A table at one version: its schema and its exact files, readable without the log.
//!
//! Reading goes through a `ListingTable` over those files (measured faster than Delta's own
//! provider, and the only form a cluster can ship); the log only says which files they are.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;
use xxhash_rust::xxh3::xxh3_128;

use super::files::DataFile;
use super::{Ground, Side, TableName};
use crate::release::TableAt;
use crate::{Error, Result};

/// A table at one version. Cheap to clone; stays readable while the table moves on.
#[derive(Debug, Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    table: TableName,
    ground: Ground,
    url: Url,
    version: i64,
    schema: SchemaRef,
    files: Vec<DataFile>,
}

impl Snapshot {
    pub(crate) fn new(
        table: TableName,
        ground: Ground,
        url: Url,
        version: i64,
        schema: SchemaRef,
        files: Vec<DataFile>,
    ) -> Self {
        Self { inner: Arc::new(Inner { table, ground, url, version, schema, files }) }
    }

    /// The version.
    pub fn version(&self) -> i64 {
        self.inner.version
    }

    /// The stored schema: what a provider yields.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.inner.schema)
    }

    /// Rows, from the log alone.
    pub fn rows(&self) -> u64 {
        self.inner.files.iter().map(|file| file.rows).sum()
    }

    /// Bytes of the data files.
    pub fn bytes(&self) -> u64 {
        self.inner.files.iter().map(|file| file.bytes).sum()
    }

    /// The data files' paths, relative to the table.
    pub fn files(&self) -> Vec<String> {
        self.inner.files.iter().map(|file| file.path.clone()).collect()
    }

    /// Digest of the files and of the schema: the same wherever the same files are a table.
    pub fn contents(&self) -> String {
        let mut files = self.files();
        files.sort_unstable();
        let text = format!("{}\n{:?}", files.join("\n"), self.inner.schema);
        format!("{:032x}", xxh3_128(text.as_bytes()))
    }

    /// Where the table stands, for a release.
    pub(crate) fn at(&self) -> TableAt {
        TableAt {
            version: self.version(),
            contents: self.contents(),
            environment: self.inner.table.environment().clone(),
        }
    }

    /// The table it is a version of.
    pub(crate) fn name(&self) -> &TableName {
        &self.inner.table
    }

    pub(crate) fn data_files(&self) -> &[DataFile] {
        &self.inner.files
    }

    /// A provider over some of its files.
    pub(crate) fn provider_over(&self, files: &[DataFile]) -> Result<Arc<dyn TableProvider>> {
        let inner = &self.inner;
        provider(&inner.table.to_string(), &inner.ground, &inner.url, &inner.schema, files)
    }

    /// A provider over the files that `wanted` picks by their paths, read as `schema`; columns
    /// that they lack are null. `None` when there is no such file.
    pub(crate) fn provider_of(
        &self,
        schema: &SchemaRef,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Side> {
        let files = self.inner.files.iter().map(|file| &file.path).filter(|path| wanted(path));
        self.provider_at(schema, &files.cloned().collect::<Vec<_>>())
    }

    /// A provider over files below the table, its own or not, read as `schema`.
    pub(super) fn provider_at(&self, schema: &SchemaRef, paths: &[String]) -> Result<Side> {
        if paths.is_empty() {
            return Ok(None);
        }
        let inner = &self.inner;
        let paths = paths.iter().map(String::as_str);
        let table = inner.table.to_string();
        listing(&table, &inner.ground, &inner.url, schema, paths).map(Some)
    }

    /// Where its files lie.
    pub(super) fn place(&self) -> (Arc<dyn ObjectStore>, Path) {
        let inner = &self.inner;
        (Arc::clone(inner.ground.store.objects()), inner.table.location())
    }

    /// Something the engine can scan.
    pub fn provider(&self) -> Result<Arc<dyn TableProvider>> {
        let inner = &self.inner;
        provider(&inner.table.to_string(), &inner.ground, &inner.url, &inner.schema, &inner.files)
    }
}

/// A provider over exactly `files`, which lie below `url`.
pub(crate) fn provider(
    table: &str,
    ground: &Ground,
    url: &Url,
    schema: &SchemaRef,
    files: &[DataFile],
) -> Result<Arc<dyn TableProvider>> {
    if files.is_empty() {
        return Ok(Arc::new(EmptyTable::new(Arc::clone(schema))));
    }
    listing(table, ground, url, schema, files.iter().map(|file| file.path.as_str()))
}

fn listing<'a>(
    table: &str,
    ground: &Ground,
    url: &Url,
    schema: &SchemaRef,
    paths: impl Iterator<Item = &'a str>,
) -> Result<Arc<dyn TableProvider>> {
    let doing = || format!("opening the files of `{table}`");
    let mut urls = Vec::new();
    for path in paths {
        let url = url
            .join(path)
            .map_err(|error| Error::Damaged { path: path.to_owned(), reason: error.to_string() })?;
        urls.push(ListingTableUrl::try_new(url, None).map_err(Error::engine(doing()))?);
    }
    // The format's default ignores the session's setting and would yield string views.
    let format = ParquetFormat::default().with_force_view_types(false);
    let options = ListingOptions::new(Arc::new(format)).with_file_extension(".parquet");
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(Arc::clone(schema));
    let listing = ListingTable::try_new(config).map_err(Error::engine(doing()))?;
    Ok(Arc::new(listing.with_cache(ground.runtime.cache_manager.get_file_statistic_cache())))
}
