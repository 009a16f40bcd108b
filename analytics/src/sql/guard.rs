//! What may be asked: one SELECT, or its plan. Everything else is refused before it is planned.

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::{Query, SetExpr, Statement as SqlStatement};

use super::SqlError;

/// Longer texts are not parsed.
const MAX_SQL_BYTES: usize = 64 * 1024;
/// Scalar functions whose result is as large as an argument says.
const GROWING: [&str; 8] =
    ["repeat", "lpad", "rpad", "range", "generate_series", "array_repeat", "array_resize", "list_repeat"];

/// Refuses what isn't one question.
pub(super) fn check(sql: &str) -> Result<(), SqlError> {
    let refused = |why: &str| Err(SqlError::Refused(why.to_owned()));
    if sql.len() > MAX_SQL_BYTES {
        return refused("longer than 64 KiB");
    }
    let statements = DFParser::parse_sql(sql).map_err(|error| SqlError::Invalid(error.strip_backtrace()))?;
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(Statement::Statement(statement)), None) => match statement.as_ref() {
            SqlStatement::Query(query) if is_select(query) => Ok(()),
            _ => refused("only SELECT is answered"),
        },
        (Some(Statement::Explain(explain)), None) if !explain.options.analyze => match explain.statement.as_ref() {
            Statement::Statement(statement) if matches!(statement.as_ref(), SqlStatement::Query(query) if is_select(query)) => {
                Ok(())
            }
            _ => refused("only SELECT is explained"),
        },
        (None, _) => refused("there is no statement"),
        (_, Some(_)) => refused("one statement at a time"),
        _ => refused("only SELECT is answered"),
    }
}

/// Refuses functions that make values of any size out of a number: one of them would outgrow the memory of queries in a single step,
/// where it can be neither counted nor stopped.
pub(super) fn check_functions(plan: &LogicalPlan) -> Result<(), SqlError> {
    let mut refused = None;
    let looked = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && GROWING.contains(&call.name())
                {
                    refused = Some(format!("{} is not available here", call.name()));
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    match (refused, looked) {
        (None, Ok(_)) => Ok(()),
        (Some(why), _) => Err(SqlError::Refused(why)),
        (None, Err(error)) => Err(SqlError::Invalid(error.strip_backtrace())),
    }
}

fn is_select(query: &Query) -> bool {
    fn reads(body: &SetExpr) -> bool {
        match body {
            SetExpr::Select(select) => select.into.is_none(),
            SetExpr::Query(query) => is_select(query),
            SetExpr::SetOperation { left, right, .. } => reads(left) && reads(right),
            SetExpr::Values(_) | SetExpr::Table(_) => true,
            _ => false,
        }
    }
    query.locks.is_empty()
        && reads(&query.body)
        && query.with.as_ref().is_none_or(|with| with.cte_tables.iter().all(|table| is_select(&table.query)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_let_through() {
        for sql in [
            "SELECT count(*) FROM scans",
            "WITH x AS (SELECT 1) SELECT * FROM x UNION ALL SELECT 2",
            "EXPLAIN SELECT * FROM scans",
            "(SELECT 1)",
            "SELECT * FROM scans a CROSS JOIN scans b;",
        ] {
            assert_eq!(check(sql), Ok(()), "{sql}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for sql in [
            "",
            ";",
            "SELECT 1; SELECT 2",
            "SELECT 1; DROP TABLE scans",
            "INSERT INTO scans VALUES (1)",
            "UPDATE scans SET seq = 1",
            "DELETE FROM scans",
            "TRUNCATE scans",
            "MERGE INTO scans USING scans ON true WHEN MATCHED THEN DELETE",
            "CREATE TABLE x AS SELECT 1",
            "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
            "CREATE VIEW x AS SELECT 1",
            "CREATE FUNCTION f() RETURNS INT RETURN 1",
            "DROP TABLE scans",
            "ALTER TABLE scans ADD COLUMN x INT",
            "COPY scans TO '/tmp/x.csv'",
            "COPY (SELECT 1) TO 's3://x/y'",
            "SET datafusion.execution.batch_size = 1",
            "RESET ALL",
            "SHOW ALL",
            "SHOW TABLES",
            "DESCRIBE scans",
            "EXPLAIN ANALYZE SELECT 1",
            "EXPLAIN INSERT INTO scans VALUES (1)",
            "EXPLAIN EXPLAIN COPY scans TO 'x'",
            "PREPARE p AS SELECT 1",
            "EXECUTE p",
            "BEGIN",
            "COMMIT",
            "GRANT SELECT ON scans TO x",
            "SELECT * INTO x FROM scans",
            "SELECT * FROM scans FOR UPDATE",
            "WITH x AS (DELETE FROM scans RETURNING *) SELECT * FROM x",
            "CALL f()",
            "LOAD 'x'",
            "USE x",
            "ANALYZE TABLE scans",
            "SELECT 1 /* unended",
            "SELECT '",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
        assert!(check(&format!("SELECT '{}'", "x".repeat(70_000))).is_err());
    }
}
