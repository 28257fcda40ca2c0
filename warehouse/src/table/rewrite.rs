//! Taking rows out of a version of a table, file by file.
//!
//! Files without such a row stay as they are; a file with some is written anew without them, in
//! its order, so that a table stays sorted however many nights it is changed. Nothing is
//! committed here: what comes out is what stays, for [`super::Staged`] to commit beside new rows.

use datafusion::common::DataFusionError;
use datafusion::logical_expr::not;
use datafusion::prelude::{DataFrame, Expr, SessionContext, ident};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use super::files::{DataFile, remove};
use super::hash::Bag;
use super::{Snapshot, Table};
use crate::{Error, Result};

/// Files that are looked at at a time.
const FILES_AT_A_TIME: usize = 4;
/// With more files than this below [`SMALL_FILE_BYTES`], all those are gathered.
pub(super) const SMALL_FILES: usize = 24;
pub(super) const SMALL_FILE_BYTES: u64 = 1 << 20;

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
}

impl Snapshot {
    /// For a table that only grows: no row goes.
    pub(crate) fn find_nothing(&self) -> Hits {
        Hits { files: self.data_files().iter().map(|f| (f.clone(), Bag::default())).collect() }
    }

    /// Finds the rows for which `goes` is true.
    pub(crate) async fn find(&self, session: &SessionContext, goes: &Expr) -> Result<Hits> {
        let looked: Vec<_> = self
            .data_files()
            .iter()
            .map(|file| self.hits_in(session, file.clone(), goes.clone()).boxed())
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
    /// are written, `order` the columns in which rows are stored.
    pub(crate) async fn without(
        &self,
        session: &SessionContext,
        table: &Table,
        goes: &Expr,
        hits: Hits,
        order: &[String],
    ) -> Result<Stays> {
        let small = |file: &DataFile| file.bytes < SMALL_FILE_BYTES;
        let gather = hits.files.iter().filter(|(file, _)| small(file)).count() > SMALL_FILES;
        let mut stays = Stays::default();
        let mut gathered = Vec::new();
        for (file, gone) in hits.files {
            let left = file.rows.saturating_sub(gone.rows());
            let written = if gather && small(&file) {
                gathered.push(file);
                continue;
            } else if gone.rows() == 0 {
                stays.kept.push(file);
                continue;
            } else if left == 0 {
                continue;
            } else {
                self.write_rest(session, table, goes, &[file], &[]).await
            };
            match written {
                Ok(files) => stays.moved.extend(files),
                Err(error) => return stays.abandon(table, error).await,
            }
        }
        if !gathered.is_empty() {
            match self.write_rest(session, table, goes, &gathered, order).await {
                Ok(files) => stays.moved.extend(files),
                Err(error) => return stays.abandon(table, error).await,
            }
        }
        Ok(stays)
    }

    /// Writes the rows of `files` that stay; sorted, or in the order of the one file.
    async fn write_rest(
        &self,
        session: &SessionContext,
        table: &Table,
        goes: &Expr,
        files: &[DataFile],
        order: &[String],
    ) -> Result<Vec<DataFile>> {
        let frame = self.frame_of(session, files)?;
        // Null is not true: such a row stays.
        let stays = frame.filter(not(goes.clone().is_true())).map_err(self.failed())?;
        let stays = if order.is_empty() {
            stays
        } else {
            let order = order.iter().map(|name| ident(name.as_str()).sort(true, false)).collect();
            stays.sort(order).map_err(self.failed())?
        };
        let streams = stays.execute_stream_partitioned().await.map_err(self.failed())?;
        let mut writer = table.writer(&self.schema());
        // One after the other: the partitions of one file are its parts in order.
        for mut stream in streams {
            loop {
                let written = match stream.try_next().await {
                    Ok(Some(batch)) => writer.write(&batch).await,
                    Ok(None) => break,
                    Err(error) => Err(self.failed()(error)),
                };
                if let Err(error) = written {
                    writer.abandon().await;
                    return Err(error);
                }
            }
        }
        writer.finish().await
    }

    fn frame_of(&self, session: &SessionContext, files: &[DataFile]) -> Result<DataFrame> {
        session.read_table(self.provider_over(files)?).map_err(self.failed())
    }

    fn failed(&self) -> impl Fn(DataFusionError) -> Error + use<> {
        let table = self.name().to_string();
        move |error| Error::engine(format!("replacing rows of `{table}`"))(error)
    }
}

impl Stays {
    async fn abandon(self, table: &Table, error: Error) -> Result<Self> {
        remove(&table.objects(), &self.moved).await;
        Err(error)
    }

    /// All files, for readers.
    pub(crate) fn files(&self) -> Vec<DataFile> {
        self.kept.iter().chain(&self.moved).cloned().collect()
    }
}
