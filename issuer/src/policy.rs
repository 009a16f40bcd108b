//! A policy: one SQL expression, compiled once and evaluated on batches of declarations.
//!
//! The text that headquarters signs off is the rule itself; there is no second copy of it in code. It may ask about the columns of
//! [`crate::columns`] and call immutable functions, so that the same declaration always gets the same status.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch, StringArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable as _, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::SessionContext;
use suikang_schemas::status::Status;

use crate::columns;

/// A compiled policy.
#[derive(Debug, Clone)]
pub struct Policy {
    expression: Arc<dyn PhysicalExpr>,
}

/// What a policy made of one declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The status.
    pub status: Status,
    /// Why, in the policy's words.
    pub reasons: Vec<String>,
}

/// Why a text is not a policy, in words for who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It does not parse, or asks for what isn't there.
    #[error("not a valid expression: {0}")]
    Invalid(String),
    /// It looks at more than one declaration.
    #[error("a policy looks at one declaration: no {0}")]
    NotScalar(&'static str),
    /// It could answer otherwise tomorrow.
    #[error("{0} may answer otherwise tomorrow: a policy calls immutable functions only")]
    Volatile(String),
    /// It gives something else.
    #[error("a policy gives named_struct('status', …, 'reasons', make_array(…)); this one gives {0}")]
    WrongType(String),
    /// It broke on a declaration, or gave a word that is no status.
    #[error("the policy breaks: {0}")]
    Broke(String),
}

impl Policy {
    /// Compiles a text.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn compile(sql: &str) -> Result<Self, PolicyError> {
        let invalid = |error: datafusion::error::DataFusionError| PolicyError::Invalid(error.strip_backtrace());
        let schema = DFSchema::try_from(columns::schema()).map_err(invalid)?;
        let context = SessionContext::new();
        let expression = context.parse_sql_expr(sql, &schema).map_err(invalid)?;
        check(&expression)?;
        let given = expression.get_type(&schema).map_err(invalid)?;
        if !is_ruling(&given) {
            return Err(PolicyError::WrongType(given.to_string()));
        }
        // Some functions exist only to be simplified into others.
        let simplify = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
        let simplifier = ExprSimplifier::new(simplify);
        let expression =
            simplifier.coerce(expression, &schema).and_then(|expr| simplifier.simplify(expr)).map_err(invalid)?;
        Ok(Self { expression: context.create_physical_expr(expression, &schema).map_err(invalid)? })
    }

    /// A ruling per row of a batch made by [`columns::batch`].
    ///
    /// # Errors
    /// [`PolicyError::Broke`].
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<Vec<Ruling>, PolicyError> {
        let broke = |error: &dyn std::fmt::Display| PolicyError::Broke(error.to_string());
        let value = self.expression.evaluate(batch).map_err(|error| broke(&error.strip_backtrace()))?;
        let array = value.into_array(batch.num_rows()).map_err(|error| broke(&error.strip_backtrace()))?;
        // Dictionaries, views and large types are the same words to us.
        let array = cast(&array, &ruling_type()).map_err(|error| broke(&error))?;
        rulings(array.as_struct())
    }
}

fn rulings(array: &StructArray) -> Result<Vec<Ruling>, PolicyError> {
    let statuses: &StringArray = array.column(0).as_string();
    let reasons = array.column(1).as_list::<i32>();
    (0..array.len())
        .map(|row| {
            let status = if statuses.is_null(row) || array.is_null(row) { "null" } else { statuses.value(row) };
            let status = status.parse().map_err(|_| PolicyError::Broke(format!("{status:?} is no status")))?;
            let words = if reasons.is_null(row) { None } else { Some(reasons.value(row)) };
            let words: Vec<_> = words
                .iter()
                .flat_map(|words| words.as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>())
                .collect();
            Ok(Ruling { status, reasons: words })
        })
        .collect()
}

fn ruling_type() -> DataType {
    DataType::Struct(Fields::from(vec![
        Field::new("status", DataType::Utf8, true),
        Field::new("reasons", DataType::new_list(DataType::Utf8, true), true),
    ]))
}

fn is_ruling(given: &DataType) -> bool {
    let is_text = |given: &DataType| matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match given {
        DataType::Struct(fields) => match fields.as_ref() {
            [status, reasons] => {
                status.name() == "status"
                    && is_text(status.data_type())
                    && reasons.name() == "reasons"
                    && matches!(reasons.data_type(), DataType::List(word) if is_text(word.data_type()) || word.data_type().is_null())
            }
            _ => false,
        },
        _ => false,
    }
}

/// One declaration at a time, and the same answer for ever.
fn check(expression: &Expr) -> Result<(), PolicyError> {
    let mut refused = Ok(());
    expression
        .apply(|part| {
            refused = match part {
                Expr::AggregateFunction(_) => Err(PolicyError::NotScalar("aggregate functions")),
                Expr::WindowFunction(_) => Err(PolicyError::NotScalar("window functions")),
                Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_) => {
                    Err(PolicyError::NotScalar("subqueries"))
                }
                Expr::OuterReferenceColumn(..) | Expr::Placeholder(_) => Err(PolicyError::NotScalar("parameters")),
                Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                    Err(PolicyError::Volatile(call.func.name().to_owned()))
                }
                _ => Ok(()),
            };
            Ok(if refused.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })
        .map_err(|error| PolicyError::Invalid(error.strip_backtrace()))?;
    refused
}

#[cfg(test)]
mod tests;
