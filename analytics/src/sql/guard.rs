//! What may be asked: one SELECT, or its plan. Everything else is refused before it is planned.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, GroupingSet, LogicalPlan, WindowFrameBound};
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, ObjectName, Query, Select, SetExpr, Statement as SqlStatement, TableFactor, Visit as _, Visitor,
    visit_expressions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::SqlError;

/// Longer texts are not parsed.
const MAX_SQL_BYTES: usize = 64 * 1024;
/// Words and signs of a statement: each may be a level, of an expression or of tables, and takes its part of a thread's stack.
const MAX_SIGNS: usize = 1_000;
/// Brackets, and words that begin a type within a type: an answer of such a type is written level by level.
const MAX_BRACKETS: usize = 50;
/// Bytes of one text: it is copied for every row.
const MAX_TEXT_BYTES: usize = 4 * 1024;
/// How many copies of what a statement names become by being used several times, each by something used several times.
const MAX_COPIES: usize = 128;
/// How many columns a column may be made of, by being made of columns that are made of others.
const MAX_PARTS: usize = 10_000;
/// Rows before and after one that a window reaches.
const MAX_FRAME: u64 = 1_000_000_000;
/// Columns of a CUBE, which groups by every subset of them, or a ROLLUP.
const MAX_CUBE: usize = 6;
/// How many times longer a text may become by replacements in it.
const MAX_REPLACED: usize = 4_096;
/// Scalar functions whose result is as large as an argument says; a type may say a length as well.
const GROWING: [&str; 10] = [
    "repeat",
    "lpad",
    "rpad",
    "range",
    "generate_series",
    "array_repeat",
    "array_resize",
    "list_repeat",
    "arrow_cast",
    "arrow_try_cast",
];
/// Aggregates that keep every value they have seen: over a window they would do so for each row.
const KEEPING: [&str; 3] = ["array_agg", "string_agg", "median"];

/// Refuses what isn't one question.
pub(super) fn check(sql: &str) -> Result<(), SqlError> {
    let refused = |why: &str| Err(SqlError::Refused(why.to_owned()));
    if sql.len() > MAX_SQL_BYTES {
        return refused("longer than 64 KiB");
    }
    check_size(sql)?;
    let statements = DFParser::parse_sql(sql).map_err(|error| super::refusal(&error))?;
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(Statement::Statement(statement)), None) => match statement.as_ref() {
            SqlStatement::Query(query) if is_select(query) => check_tables(query),
            _ => refused("only SELECT is answered"),
        },
        // Other forms than the plain one show the physical plan, and what we are made of.
        (Some(Statement::Explain(explain)), None) if !explain.options.analyze => {
            let options = &explain.options;
            if options.verbose || options.format.is_some() {
                return refused("EXPLAIN has no options");
            }
            match explain.statement.as_ref() {
                Statement::Statement(statement) => match statement.as_ref() {
                    SqlStatement::Query(query) if is_select(query) => check_tables(query),
                    _ => refused("only SELECT is explained"),
                },
                _ => refused("only SELECT is explained"),
            }
        }
        (None, _) => refused("there is no statement"),
        (_, Some(_)) => refused("one statement at a time"),
        _ => refused("only SELECT is answered"),
    }
}

/// Refuses, before it is parsed, what would be too deep or too long. Lists of values may be long.
fn check_size(sql: &str) -> Result<(), SqlError> {
    let refused = |why: String| Err(SqlError::Refused(why));
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize();
    let tokens = tokens.map_err(|error| SqlError::Invalid(error.to_string()))?;
    let (mut signs, mut brackets) = (0, 0);
    for token in &tokens {
        match token {
            Token::Whitespace(_) | Token::Comma | Token::Number(..) | Token::SemiColon => continue,
            Token::SingleQuotedString(text)
            | Token::NationalStringLiteral(text)
            | Token::EscapedStringLiteral(text)
                if text.len() <= MAX_TEXT_BYTES =>
            {
                continue;
            }
            Token::LBracket => brackets += 1,
            Token::Word(word)
                if ["ARRAY", "MAP", "STRUCT"].iter().any(|kind| word.value.eq_ignore_ascii_case(kind)) =>
            {
                brackets += 1;
            }
            _ if token.to_string().len() > MAX_TEXT_BYTES => return refused("a text is longer than 4 KiB".to_owned()),
            _ => {}
        }
        signs += 1;
    }
    if signs > MAX_SIGNS {
        return refused(format!("more than {MAX_SIGNS} words and signs besides the values of lists"));
    }
    if brackets > MAX_BRACKETS {
        return refused(format!("more than {MAX_BRACKETS} brackets"));
    }
    Ok(())
}

/// Refuses tables that multiply by being used again and again, and table functions that compute their arguments, which happens while
/// the question is planned.
fn check_tables(query: &Query) -> Result<(), SqlError> {
    let mut used = Used::default();
    if let ControlFlow::Break(why) = query.visit(&mut used) {
        return Err(SqlError::Refused(why.to_owned()));
    }
    let copies = used.named.iter().filter_map(|name| used.times.get(name));
    if copies.fold(1_usize, |copies, times| copies.saturating_mul(*times)) > MAX_COPIES {
        return Err(SqlError::Refused("what WITH names is used too often".to_owned()));
    }
    if used.parts.iter().fold(1_usize, |all, parts| all.saturating_mul(*parts)) > MAX_PARTS {
        return Err(SqlError::Refused("columns are made of too many others".to_owned()));
    }
    Ok(())
}

/// What a statement uses.
#[derive(Default)]
struct Used {
    /// Tables, and how many times.
    times: HashMap<String, usize>,
    /// Tables that it names itself.
    named: Vec<String>,
    /// Of each SELECT, the columns that the column of most is made of.
    parts: Vec<usize>,
}

impl Visitor for Used {
    type Break = &'static str;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        self.named.extend(tables.map(|table| table.alias.name.value.to_lowercase()));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        let parts = select.projection.iter().map(|item| {
            let mut parts = 0;
            let _: ControlFlow<()> = visit_expressions(item, |part| {
                parts += usize::from(matches!(part, SqlExpr::Identifier(_) | SqlExpr::CompoundIdentifier(_)));
                ControlFlow::Continue(())
            });
            parts
        });
        self.parts.push(parts.max().unwrap_or_default().max(1));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<Self::Break> {
        *self.times.entry(name.to_string().replace('"', "").to_lowercase()).or_default() += 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Self::Break> {
        let computes = |expression: &SqlExpr| match expression {
            SqlExpr::Function(_) => ControlFlow::Break("a table function takes nothing but values"),
            _ => ControlFlow::Continue(()),
        };
        match table {
            TableFactor::Table { args: Some(arguments), .. } => visit_expressions(&arguments.args, computes),
            TableFactor::Function { args, .. } => visit_expressions(args, computes),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Refuses functions that make values of any size out of a number or of all rows: one of them would outgrow the memory of queries in a
/// single step, where it can be neither counted nor stopped.
pub(super) fn check_functions(plan: &LogicalPlan) -> Result<(), SqlError> {
    let (mut refused, mut replaced) = (None, 1_usize);
    let outermost = outermost_aggregate(plan);
    let looked = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                refused = match part {
                    Expr::ScalarFunction(call) if GROWING.contains(&call.name()) => {
                        Some(format!("{} is not available here", call.name()))
                    }
                    Expr::ScalarFunction(call) if ["replace", "regexp_replace", "encode"].contains(&call.name()) => {
                        let long = match call.args.get(2) {
                            _ if call.name() == "encode" => 2,
                            Some(Expr::Literal(text, _)) => {
                                text.try_as_str().flatten().map_or(1, |text| text.len().max(1))
                            }
                            _ => MAX_REPLACED + 1,
                        };
                        replaced = replaced.saturating_mul(long);
                        (replaced > MAX_REPLACED).then(|| format!("{} makes too much", call.name()))
                    }
                    Expr::WindowFunction(call) if KEEPING.contains(&call.fun.name()) => {
                        Some(format!("{} is not available over a window", call.fun.name()))
                    }
                    Expr::WindowFunction(call)
                        if [&call.params.window_frame.start_bound, &call.params.window_frame.end_bound]
                            .into_iter()
                            .any(is_far) =>
                    {
                        Some("a window reaches too far".to_owned())
                    }
                    Expr::AggregateFunction(call)
                        if KEEPING.contains(&call.func.name())
                            && !outermost.is_some_and(|outermost| std::ptr::eq(node, outermost)) =>
                    {
                        Some(format!("{} is available in the outermost SELECT alone", call.func.name()))
                    }
                    Expr::AggregateFunction(call)
                        if call.func.name().starts_with("approx_percentile") && call.params.args.len() > 2 =>
                    {
                        Some("centroids cannot be chosen".to_owned())
                    }
                    Expr::GroupingSet(GroupingSet::Cube(columns) | GroupingSet::Rollup(columns))
                        if columns.len() > MAX_CUBE =>
                    {
                        Some(format!("more than {MAX_CUBE} columns in CUBE or ROLLUP"))
                    }
                    _ => None,
                };
                Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    });
    match (refused, looked) {
        (None, Ok(_)) => Ok(()),
        (Some(why), _) => Err(SqlError::Refused(why)),
        (None, Err(error)) => Err(super::refusal(&error)),
    }
}

/// The aggregate that nothing multiplies any more.
fn outermost_aggregate(mut plan: &LogicalPlan) -> Option<&LogicalPlan> {
    loop {
        plan = match plan {
            LogicalPlan::Aggregate(_) => return Some(plan),
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => {
                plan.inputs().into_iter().next()?
            }
            _ => return None,
        }
    }
}

fn is_far(bound: &WindowFrameBound) -> bool {
    match bound {
        WindowFrameBound::Preceding(ScalarValue::UInt64(rows))
        | WindowFrameBound::Following(ScalarValue::UInt64(rows)) => rows.is_some_and(|rows| rows > MAX_FRAME),
        _ => false,
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
            "SELECT * FROM generate_series(1, -(-10))",
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
            "EXPLAIN VERBOSE SELECT 1",
            "EXPLAIN FORMAT TREE SELECT 1",
            "SELECT * FROM generate_series(1, array_length(range(1, 9)))",
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
        for sql in [
            format!("SELECT '{}'", "x".repeat(70_000)),
            format!("SELECT '{}'", "x".repeat(5_000)),
            format!("SELECT 1{}", "+1".repeat(2_000)),
            format!("SELECT CAST(1 AS INT{})", "[]".repeat(100)),
            format!(
                "WITH a AS (SELECT 1){} SELECT 1",
                (0..20).map(|n| format!(", {n}a AS (SELECT 1 FROM a, a b)")).collect::<String>()
            ),
        ] {
            assert!(check(&sql).is_err(), "{sql}");
        }
        assert_eq!(check(&format!("SELECT * FROM scans WHERE seq IN (1{})", ", 1".repeat(9_000))), Ok(()));
    }
}
