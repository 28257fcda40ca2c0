//! Filters stay above an aggregate that yields a row of nothing.
//!
//! `select 'all' as k, count(*) .. ` without a `group by` yields one row even when nothing is below
//! it. The engine's rule (DataFusion 55.2) moves a filter without columns, such as `'all' = 'x'`,
//! below it all the same: the row that the filter takes out comes back, counting nothing. So the
//! rule is kept from such a pair; everything else is its own.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer};
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The engine's rules, with the one that moves filters kept from what it does wrong.
pub(super) fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let guarded = |rule: Arc<dyn OptimizerRule + Send + Sync>| {
        if rule.name() == PushDownFilter::new().name() {
            Arc::new(StayAbove(PushDownFilter::new())) as _
        } else {
            rule
        }
    };
    Optimizer::new().rules.into_iter().map(guarded).collect()
}

#[derive(Debug)]
struct StayAbove(PushDownFilter);

impl OptimizerRule for StayAbove {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>, DataFusionError> {
        if let LogicalPlan::Filter(filter) = &plan
            && yields_a_row_of_nothing(&filter.input)
        {
            return Ok(Transformed::no(plan));
        }
        self.0.rewrite(plan, config)
    }
}

fn yields_a_row_of_nothing(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => {
            let groups = &aggregate.group_expr;
            groups.is_empty() || groups.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)))
        }
        // A filter is first put together with the one below it.
        LogicalPlan::Filter(filter) => yields_a_row_of_nothing(&filter.input),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::RecordBatch;
    use datafusion::arrow::util::pretty::pretty_format_batches;

    use crate::{Options, session};

    #[tokio::test]
    async fn a_filter_without_columns_takes_out_the_one_row_of_an_aggregate() {
        let store = crate::store::Store::open(
            &"memory://".parse().unwrap(),
            &std::collections::BTreeMap::new(),
        );
        let runtime = session::runtime(&store.unwrap(), &Options::default()).unwrap();
        let session = session::context(&runtime, &Options::default()).unwrap();
        for (sql, rows) in [
            ("select 'all' as k, count(*) as n from (values (1)) as t (a)", 0),
            ("select 'x' as k, count(*) as n from (values (1)) as t (a)", 1),
            ("select 'all' as k, a as n from (values (1)) as t (a)", 0),
            (
                "select 'all' as k, count(*) as n from (values (1)) as t (a) union all select 'x', 5",
                1,
            ),
            ("select 'all' as k, count(*) as n from (values (1)) as t (a) group by rollup (a)", 0),
        ] {
            let sql = format!("select * from ({sql}) as s where k = 'x'");
            let found: Vec<RecordBatch> = session.sql(&sql).await.unwrap().collect().await.unwrap();
            let count: usize = found.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(count, rows, "{sql}\n{}", pretty_format_batches(&found).unwrap());
        }
    }
}
