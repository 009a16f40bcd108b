//! Joins that yield: between two batches of a join the task may be dropped.
//!
//! DataFusion lets a task yield where it reads. A join of everything with everything reads little and makes much: it would go on for hours
//! after nobody waits for it. So every join hands its batches on through an operator that yields.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;

/// Puts a yielding operator on top of every join, and of what makes rows out of nothing.
#[derive(Debug)]
pub(super) struct YieldAtJoins;

impl PhysicalOptimizerRule for YieldAtJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let yielding = plan.transform_up(|node| {
            let makes_much =
                node.name().contains("Join") || node.name() == "LazyMemoryExec" || node.name() == "UnnestExec";
            Ok(if makes_much {
                Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>)
            } else {
                Transformed::no(node)
            })
        })?;
        Ok(yielding.data)
    }

    fn name(&self) -> &'static str {
        "yield_at_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
