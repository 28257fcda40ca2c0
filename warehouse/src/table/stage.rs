//! Staging: the rows of streams written into files, several files at a time.
//!
//! A stream whose files are of so many rows each is dealt out to one writer after the other: the
//! files are written side by side, and each of a stream in order holds a range of its own.

use std::num::NonZeroUsize;
use std::thread;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::channel::mpsc;
use futures::{SinkExt as _, TryStreamExt as _};
use tokio::task::{JoinError, JoinSet};

use super::hash::Bag;
use super::types::{fit, stored_schema};
use super::{DataFile, FileWriter, Layout, Staged, Table, remove};
use crate::{Error, Result};

/// Batches that wait for a writer.
const WAITING: usize = 2;
/// Files of one stream that are written at a time; each holds a row group in memory.
const MOST_WRITERS: usize = 4;

type Written = (Vec<DataFile>, Bag);

impl Table {
    /// Writes the rows of `stream` into files that nobody sees until they are committed.
    ///
    /// The table need not exist and is not touched. Fails with [`Error::Column`] for a type that
    /// cannot be stored; files written before a failure are removed.
    pub async fn stage(&self, stream: SendableRecordBatchStream) -> Result<Staged> {
        self.stage_all(vec![stream]).await
    }

    /// Like [`Table::stage`] for the partitions of one plan, each written by its own task.
    ///
    /// All streams must have one schema. Order is kept within a stream only.
    pub async fn stage_all(&self, streams: Vec<SendableRecordBatchStream>) -> Result<Staged> {
        self.stage_laid_out(streams, &Layout::default()).await
    }

    /// Like [`Table::stage_all`], cut into files as `layout` says.
    pub(crate) async fn stage_laid_out(
        &self,
        streams: Vec<SendableRecordBatchStream>,
        layout: &Layout,
    ) -> Result<Staged> {
        let table = self.inner.name.to_string();
        let Some(first) = streams.first() else {
            return Err(Error::Column {
                table,
                column: "*".to_owned(),
                reason: "nothing to write".to_owned(),
            });
        };
        let schema = stored_schema(&table, &first.schema())?;
        let alone = streams.len() == 1 && layout.partition_by.is_empty();
        let mut writing = Writing::new(self.clone(), schema, layout.clone());
        for stream in streams {
            match layout.file_rows {
                Some(rows) if alone => writing.deal(stream, rows).await,
                _ => writing.start(stream),
            }
        }
        writing.finish().await
    }

    /// Stages batches that are already in memory.
    pub async fn stage_batches(
        &self,
        schema: &SchemaRef,
        batches: &[RecordBatch],
    ) -> Result<Staged> {
        let schema = stored_schema(&self.inner.name.to_string(), schema)?;
        let mut writer = self.writer(&schema);
        for batch in batches {
            if let Err(error) = writer.write(batch).await {
                writer.abandon().await;
                return Err(error);
            }
        }
        let files = writer.finish().await?;
        Ok(Staged::new(self.clone(), schema, files))
    }
}

/// Files of one table that are being written.
struct Writing {
    table: Table,
    schema: SchemaRef,
    layout: Layout,
    tasks: JoinSet<Result<Written>>,
    files: Vec<DataFile>,
    bag: Bag,
    failure: Option<Error>,
}

impl Writing {
    fn new(table: Table, schema: SchemaRef, layout: Layout) -> Self {
        let (tasks, files, bag) = (JoinSet::new(), Vec::new(), Bag::default());
        Self { table, schema, layout, tasks, files, bag, failure: None }
    }

    fn name(&self) -> String {
        self.table.name().to_string()
    }

    /// Writes a stream beside the others.
    fn start(&mut self, stream: SendableRecordBatchStream) {
        let writer = self.table.writer(&self.schema).laid_out(self.layout.clone());
        self.tasks.spawn(drain(self.name(), writer, stream));
    }

    /// Deals a stream out, `rows` rows a file.
    async fn deal(&mut self, mut stream: SendableRecordBatchStream, rows: u64) {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let most = usize::try_from(rows).unwrap_or(usize::MAX).max(1);
        let mut open: Option<(mpsc::Sender<Batch>, usize)> = None;
        while self.failure.is_none() {
            let mut batch = match stream.try_next().await {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(error) => {
                    self.fail(Error::engine(format!("computing `{}`", self.name()))(error));
                    break;
                }
            };
            while batch.num_rows() > 0 {
                let (mut sender, room) = if let Some(open) = open.take() {
                    open
                } else {
                    while self.tasks.len() >= cores.min(MOST_WRITERS) {
                        let Some(ended) = self.tasks.join_next().await else { break };
                        self.take(ended);
                    }
                    let (sender, receiver) = mpsc::channel(WAITING);
                    let schema = stream.schema();
                    self.start(Box::pin(RecordBatchStreamAdapter::new(schema, receiver)));
                    (sender, most)
                };
                let part = batch.slice(0, room.min(batch.num_rows()));
                let left = part.num_rows();
                batch = batch.slice(left, batch.num_rows() - left);
                if sender.send(Ok(part)).await.is_err() {
                    // Its writer failed, and says why.
                    return;
                }
                if room > left {
                    open = Some((sender, room - left));
                }
            }
        }
    }

    fn take(&mut self, ended: Result<Result<Written>, JoinError>) {
        match ended {
            Ok(Ok((written, held))) => {
                self.files.extend(written);
                self.bag = self.bag.plus(held);
            }
            Ok(Err(error)) => self.fail(error),
            Err(error) => {
                let error = DataFusionError::External(Box::new(error));
                self.fail(Error::engine(format!("writing `{}`", self.name()))(error));
            }
        }
    }

    /// The first failure counts.
    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    async fn finish(mut self) -> Result<Staged> {
        while let Some(ended) = self.tasks.join_next().await {
            self.take(ended);
        }
        if let Some(error) = self.failure {
            remove(&self.table.objects(), &self.files).await;
            return Err(error);
        }
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Staged::new(self.table, self.schema, self.files).counted(self.bag))
    }
}

type Batch = Result<RecordBatch, DataFusionError>;

/// Writes a stream and counts what it holds, in the form in which it is stored.
pub(super) async fn drain(
    table: String,
    mut writer: FileWriter,
    mut stream: SendableRecordBatchStream,
) -> Result<(Vec<DataFile>, Bag)> {
    let mut bag = Bag::default();
    loop {
        let batch = match stream.try_next().await {
            Ok(Some(batch)) => batch,
            Ok(None) => return writer.finish().await.map(|files| (files, bag)),
            Err(source) => {
                writer.abandon().await;
                return Err(Error::engine(format!("computing `{table}`"))(source));
            }
        };
        let written = match fit(&table, &batch, writer.schema()) {
            Ok(batch) => bag
                .add(&batch)
                .map_err(Error::engine(format!("counting `{table}`")))
                .and(writer.write(&batch).await),
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            writer.abandon().await;
            return Err(error);
        }
    }
}
