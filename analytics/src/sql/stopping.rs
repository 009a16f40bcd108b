//! Joins that can be stopped: a query whose time is over ends, whatever its joins are at.
//!
//! DataFusion lets a task yield where it reads. A join of everything with everything reads little and makes much, and one whose condition
//! rejects all of it makes nothing: both would go on for hours after nobody waits for them. So every join hands its batches on through an
//! operator that yields, and its condition fails once the query is stopped.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use tokio_util::sync::CancellationToken;

/// Makes the joins of one query stoppable, and whatever makes rows out of nothing.
#[derive(Debug)]
pub(super) struct Stoppable {
    pub(super) stop: CancellationToken,
}

impl PhysicalOptimizerRule for Stoppable {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let stoppable = plan.transform_up(|node| {
            let makes_much =
                node.name().contains("Join") || node.name() == "LazyMemoryExec" || node.name() == "UnnestExec";
            Ok(if makes_much {
                let node = self.with_condition(&node)?.unwrap_or(node);
                Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>)
            } else {
                Transformed::no(node)
            })
        })?;
        Ok(stoppable.data)
    }

    fn name(&self) -> &'static str {
        "stoppable"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl Stoppable {
    /// The same join with a condition that looks whether to stop; nothing for a node without a condition. The other joins of DataFusion are
    /// off by default.
    fn with_condition(&self, node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>()
            && let Some(filter) = join.filter()
        {
            let filter = Some(self.condition(filter));
            return Ok(Some(Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(filter).build()?)));
        }
        if let Some(join) = node.downcast_ref::<HashJoinExec>()
            && let Some(filter) = join.filter()
        {
            return Ok(Some(join.builder().with_filter(Some(self.condition(filter))).build_exec()?));
        }
        Ok(None)
    }

    fn condition(&self, filter: &JoinFilter) -> JoinFilter {
        let condition = UntilStopped { condition: Arc::clone(filter.expression()), stop: self.stop.clone() };
        JoinFilter::new(Arc::new(condition), filter.column_indices().to_vec(), Arc::clone(filter.schema()))
    }
}

/// A condition that fails once the query is stopped.
#[derive(Debug)]
struct UntilStopped {
    condition: Arc<dyn PhysicalExpr>,
    stop: CancellationToken,
}

impl PhysicalExpr for UntilStopped {
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.stop.is_cancelled() {
            return Err(DataFusionError::Execution("stopped".to_owned()));
        }
        self.condition.evaluate(batch)
    }

    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.condition.return_field(input_schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let condition = children.pop().unwrap_or_else(|| Arc::clone(&self.condition));
        Ok(Arc::new(Self { condition, stop: self.stop.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}

impl fmt::Display for UntilStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

// One query has one token: conditions that are equal are so whatever theirs is.
impl PartialEq for UntilStopped {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition)
    }
}

impl Eq for UntilStopped {}

impl Hash for UntilStopped {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}
