//! Taking rows out of a version of a table, file by file.
//!
//! Files without such a row stay as they are; a file with some is written anew without them, in
//! its order, so that a table stays sorted however many nights it is changed. The rows that go are
//! written aside in the same pass, for those who ask later what changed. Nothing is committed
//! here: what comes out is what stays, for [`super::Staged`] to commit beside new rows.

use datafusion::arrow::array::{AsArray as _, BooleanArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::compute::kernels::boolean;
use datafusion::common::DataFusionError;
use datafusion::prelude::{DataFrame, Expr, SessionContext, ident};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use super::files::{DataFile, FileWriter, remove};
use super::hash::Bag;
use super::step::FOLDER;
use super::{Layout, Snapshot, Table};
use crate::{Error, Result};

/// Files that are looked at at a time.
const FILES_AT_A_TIME: usize = 4;
/// With more files than this that have fewer rows than [`SMALL_FILE_ROWS`], all those are gathered.
const SMALL_FILES: usize = 24;
const SMALL_FILE_ROWS: u64 = 16_384;

/// Where the rows are that will go.
#[derive(Debug)]
pub(crate) struct Hits {
    /// Of every file the rows that will go.
    files: Vec<(DataFile, Bag)>,
}

impl Hits {
    /// Rows that will go.
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(|(_, bag)| bag.rows()).sum()
    }

    /// The rows that will go.
    pub(crate) fn bag(&self) -> Bag {
        self.files.iter().fold(Bag::default(), |all, (_, bag)| all.plus(*bag))
    }
}

/// What stays of a version.
#[derive(Debug, Default)]
pub(crate) struct Stays {
    /// Files as they are.
    pub(crate) kept: Vec<DataFile>,
    /// Files written anew, which nobody sees yet.
    pub(crate) moved: Vec<DataFile>,
    /// Files of the version that go whole.
    emptied: Vec<DataFile>,
    /// The rows that go of those written anew, which are part of no version.
    dropped: Vec<DataFile>,
}

impl Snapshot {
    /// For a table that only grows: no row goes.
    pub(crate) fn find_nothing(&self) -> Hits {
        Hits { files: self.data_files().iter().map(|f| (f.clone(), Bag::default())).collect() }
    }

    /// Finds the rows for which `goes` is true, which have a value of `within` in a column of text:
    /// the column, the least value, the greatest.
    pub(crate) async fn find(
        &self,
        session: &SessionContext,
        goes: &Expr,
        within: Option<(&str, &str, &str)>,
    ) -> Result<Hits> {
        let may_have = |file: &DataFile| {
            let Some((column, low, high)) = within else { return true };
            let bounds = file.text_bounds(column);
            bounds.is_none_or(|(least, most)| low <= most.as_str() && least.as_str() <= high)
        };
        let looked: Vec<_> = self
            .data_files()
            .iter()
            .map(|file| {
                if may_have(file) {
                    self.hits_in(session, file.clone(), goes.clone()).boxed()
                } else {
                    futures::future::ready(Ok((file.clone(), Bag::default()))).boxed()
                }
            })
            .collect();
        let files = futures::stream::iter(looked).buffered(FILES_AT_A_TIME).try_collect().await?;
        Ok(Hits { files })
    }

    async fn hits_in(
        &self,
        session: &SessionContext,
        file: DataFile,
        goes: Expr,
    ) -> Result<(DataFile, Bag)> {
        let rows = self.frame_of(session, std::slice::from_ref(&file))?;
        let rows = rows.filter(goes).map_err(self.failed())?;
        let mut bag = Bag::default();
        let mut stream = rows.execute_stream().await.map_err(self.failed())?;
        while let Some(batch) = stream.try_next().await.map_err(self.failed())? {
            bag.add(&batch).map_err(self.failed())?;
        }
        Ok((file, bag))
    }

    /// Writes what stays when the rows found by [`Snapshot::find`] go. `table` is where new files
    /// are written, `order` the columns in which rows are stored, `layout` how they are cut.
    pub(crate) async fn without(
        &self,
        session: &SessionContext,
        table: &Table,
        goes: &Expr,
        hits: Hits,
        order: &[String],
        layout: &Layout,
    ) -> Result<Stays> {
        let small = |file: &DataFile| file.rows < SMALL_FILE_ROWS;
        // Files of a partition each are small by nature.
        let gather = layout.partition_by.is_empty()
            && hits.files.iter().filter(|(file, _)| small(file)).count() > SMALL_FILES;
        let mut stays = Stays::default();
        let mut gathered = Vec::new();
        let rewrite = Rewrite { base: self, session, table, goes, layout };
        for (file, gone) in hits.files {
            let left = file.rows.saturating_sub(gone.rows());
            let written = if gather && small(&file) {
                gathered.push(file);
                continue;
            } else if gone.rows() == 0 {
                stays.kept.push(file);
                continue;
            } else if left == 0 {
                stays.emptied.push(file);
                continue;
            } else {
                rewrite.split(&[file], &[]).await
            };
            match written {
                Ok(split) => stays.take(split),
                Err(error) => return stays.abandon(table, error).await,
            }
        }
        if !gathered.is_empty() {
            match rewrite.split(&gathered, order).await {
                Ok(split) => stays.take(split),
                Err(error) => return stays.abandon(table, error).await,
            }
        }
        Ok(stays)
    }

    fn frame_of(&self, session: &SessionContext, files: &[DataFile]) -> Result<DataFrame> {
        session.read_table(self.provider_over(files)?).map_err(self.failed())
    }

    fn failed(&self) -> impl Fn(DataFusionError) -> Error + use<> {
        let table = self.name().to_string();
        move |error| Error::engine(format!("replacing rows of `{table}`"))(error)
    }
}

/// A file, or some, written anew: what stays, what goes.
struct Split {
    stays: Vec<DataFile>,
    goes: Vec<DataFile>,
}

struct Rewrite<'a> {
    base: &'a Snapshot,
    session: &'a SessionContext,
    table: &'a Table,
    goes: &'a Expr,
    layout: &'a Layout,
}

const GOES: &str = "_goes";

impl Rewrite<'_> {
    /// Writes the rows of `files`; sorted, or in the order of the one file.
    async fn split(&self, files: &[DataFile], order: &[String]) -> Result<Split> {
        let schema = self.base.schema();
        let mut stays = self.table.writer(&schema).laid_out(self.layout.clone());
        let mut goes = self.table.writer(&schema).below(FOLDER);
        match self.write(files, order, &mut stays, &mut goes).await {
            Ok(()) => {}
            Err(error) => {
                stays.abandon().await;
                goes.abandon().await;
                return Err(error);
            }
        }
        let stays = match stays.finish().await {
            Ok(stays) => stays,
            Err(error) => {
                goes.abandon().await;
                return Err(error);
            }
        };
        match goes.finish().await {
            Ok(goes) => Ok(Split { stays, goes }),
            Err(error) => {
                remove(&self.table.objects(), &stays).await;
                Err(error)
            }
        }
    }

    async fn write(
        &self,
        files: &[DataFile],
        order: &[String],
        stays: &mut FileWriter,
        goes: &mut FileWriter,
    ) -> Result<()> {
        let failed = || self.base.failed();
        let rows = self.base.frame_of(self.session, files)?;
        let mut columns: Vec<Expr> =
            rows.schema().fields().iter().map(|field| ident(field.name().as_str())).collect();
        // Null is not true: such a row stays.
        columns.push(self.goes.clone().is_true().alias(GOES));
        let rows = rows.select(columns).map_err(failed())?;
        let rows = if order.is_empty() {
            rows
        } else {
            let order = order.iter().map(|name| ident(name.as_str()).sort(true, false)).collect();
            rows.sort(order).map_err(failed())?
        };
        // One after the other: the partitions of one file are its parts in order.
        for mut stream in rows.execute_stream_partitioned().await.map_err(failed())? {
            while let Some(mut batch) = stream.try_next().await.map_err(failed())? {
                let mark = batch.remove_column(batch.num_columns().saturating_sub(1));
                let mark = mark.as_boolean();
                let part = |mark: &BooleanArray| filter_record_batch(&batch, mark);
                let arrow = || Error::arrow(format!("replacing rows of `{}`", self.base.name()));
                if mark.true_count() > 0 {
                    goes.write(&part(mark).map_err(arrow())?).await?;
                }
                if mark.true_count() < mark.len() {
                    stays
                        .write(&part(&boolean::not(mark).map_err(arrow())?).map_err(arrow())?)
                        .await?;
                }
            }
        }
        Ok(())
    }
}

impl Stays {
    async fn abandon(self, table: &Table, error: Error) -> Result<Self> {
        self.discard(table).await;
        Err(error)
    }

    /// Removes what was written.
    pub(super) async fn discard(self, table: &Table) {
        remove(&table.objects(), &self.moved).await;
        remove(&table.objects(), &self.dropped).await;
    }

    fn take(&mut self, split: Split) {
        self.moved.extend(split.stays);
        self.dropped.extend(split.goes);
    }

    /// Rows that were read to be written again.
    pub(crate) fn rows_moved(&self) -> u64 {
        self.moved.iter().map(|file| file.rows).sum()
    }

    /// Where the rows that go are, relative to the table.
    pub(super) fn gone(&self) -> Vec<String> {
        self.emptied.iter().chain(&self.dropped).map(|file| file.path.clone()).collect()
    }

    /// All files, for readers.
    pub(crate) fn files(&self) -> Vec<DataFile> {
        self.kept.iter().chain(&self.moved).cloned().collect()
    }
}
