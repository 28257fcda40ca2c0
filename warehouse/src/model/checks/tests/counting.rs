//! A table in memory that counts how often it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::{MemTable, TableType};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

#[derive(Debug)]
pub(crate) struct Counting {
    table: MemTable,
    scans: AtomicUsize,
}

impl Counting {
    pub(crate) fn of(batches: Vec<RecordBatch>) -> Arc<Self> {
        let table = MemTable::try_new(batches[0].schema(), vec![batches]).unwrap();
        Arc::new(Self { table, scans: AtomicUsize::new(0) })
    }

    pub(crate) fn scans(&self) -> usize {
        self.scans.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl TableProvider for Counting {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.table.scan(state, projection, filters, limit).await
    }
}
