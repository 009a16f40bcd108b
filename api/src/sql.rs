//! `POST /v1/sql`: a question over lake ∪ tail. Written down before it runs, whatever becomes of it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use suikang_analytics::sql::{Answer, SqlError, format};
use suikang_registry::Action;
use suikang_registry::http::{Bearer, Problem, StrictJson};

use crate::state::ApiState;

/// Bytes of a request: the longest statement and its escapes.
const REQUEST_BYTES: usize = 128 * 1024;

/// A question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    sql: String,
    format: Option<Format>,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Json,
    Csv,
    Arrow,
    Parquet,
}

impl Format {
    const fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// What `Accept` asks for: JSON unless it names another.
    fn accepted(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let named = |media_type: &str| accept.split([',', ';']).any(|one| one.trim().eq_ignore_ascii_case(media_type));
        if named("text/csv") {
            Format::Csv
        } else if named(Format::Arrow.content_type()) {
            Format::Arrow
        } else if named(Format::Parquet.content_type()) {
            Format::Parquet
        } else {
            Format::Json
        }
    }
}

/// The answer, in the form that the request or its `Accept` asks for.
pub(crate) async fn query(
    State(state): State<ApiState>,
    Bearer(caller): Bearer,
    headers: HeaderMap,
    StrictJson(request): StrictJson<Request, REQUEST_BYTES>,
) -> Result<Response, Problem> {
    let allowed = caller.may_somewhere(Action::QuerySql);
    // The text is kept without its literals, which might be anything.
    state.audit.record(&caller, Action::QuerySql, &without_literals(&request.sql), allowed).await?;
    if !allowed {
        return Err(Problem::forbidden());
    }
    let answer = state.sql.query(&request.sql).await.map_err(problem)?;
    render(&answer, request.format.unwrap_or_else(|| Format::accepted(&headers))).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written");
        Problem::internal()
    })
}

fn render(answer: &Answer, format: Format) -> Result<Response, Box<dyn std::error::Error>> {
    let body = match format {
        Format::Json => return Ok(Json(document(answer)?).into_response()),
        Format::Csv => format::csv(answer)?,
        Format::Arrow => format::arrow(answer)?,
        Format::Parquet => format::parquet(answer)?,
    };
    // What JSON says beside the rows.
    let headers = [
        ("content-type", format.content_type().to_owned()),
        ("suikang-row-limit", answer.row_limit.to_string()),
        ("suikang-truncated", answer.truncated.to_string()),
        ("suikang-cut", serde_json::to_string(&answer.cut)?),
    ];
    Ok((headers, body).into_response())
}

fn document(answer: &Answer) -> Result<Value, Box<dyn std::error::Error>> {
    let fields = answer.schema.fields().iter();
    let columns: Vec<_> =
        fields.map(|field| json!({"name": field.name(), "type": field.data_type().to_string()})).collect();
    Ok(json!({
        "columns": columns,
        "rows": format::json(answer)?,
        "row_limit": answer.row_limit,
        "truncated": answer.truncated,
        "cut": answer.cut,
    }))
}

fn problem(error: SqlError) -> Problem {
    let unprocessable =
        |code: &'static str, zh_en: &'static str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, zh_en);
    match error {
        SqlError::Refused(why) => unprocessable("sql_refused", "只能查询 Only questions are answered").detail(why),
        SqlError::Invalid(why) => unprocessable("sql_invalid", "查询有误 The query is wrong").detail(why),
        SqlError::TimedOut(after) => {
            unprocessable("sql_timed_out", "查询超时，已停止 The query took too long and was stopped")
                .with("after_ms", u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
        }
        SqlError::TooLarge => unprocessable("sql_too_large", "查询占用内存过多 The query needs too much memory"),
        SqlError::NotReady => Problem::unavailable(2),
        SqlError::Broke => Problem::internal(),
    }
}

/// A statement without what might be about a person: `'…'` for a literal text, `0` for a number of more than four digits, nothing for a
/// comment, `…` for whatever is not ASCII.
fn without_literals(sql: &str) -> String {
    let mut kept = String::new();
    let mut rest = sql.chars().take(4_096).peekable();
    while let Some(character) = rest.next() {
        match character {
            '\'' => {
                rest.by_ref().find(|inside| *inside == '\'');
                kept.push_str("'…'");
            }
            '-' if rest.peek() == Some(&'-') => {
                rest.by_ref().find(|inside| *inside == '\n');
                kept.push(' ');
            }
            '/' if rest.peek() == Some(&'*') => {
                rest.next();
                let mut former = None;
                rest.by_ref().find(|inside| former.replace(*inside) == Some('*') && *inside == '/');
                kept.push(' ');
            }
            '0'..='9' => {
                let mut digits = String::from(character);
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                kept.push_str(if digits.len() > 4 { "0" } else { &digits });
            }
            character if character.is_ascii() => kept.push(character),
            _ => kept.push('…'),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::without_literals;

    #[test]
    fn the_audit_keeps_no_literals() {
        for (sql, kept) in [
            (
                "SELECT * FROM scans WHERE district = '440106' AND code_ref = 123456789 LIMIT 10",
                "SELECT * FROM scans WHERE district = '…' AND code_ref = 0 LIMIT 10",
            ),
            ("SELECT 1 -- 张三\nFROM scans", "SELECT 1  FROM scans"),
            ("SELECT /*/ 张三 * / ' */ 1 / 2", "SELECT   1 / 2"),
            ("SELECT 'it''s' AS \"张三\"", "SELECT '…''…' AS \"……\""),
            ("SELECT 'open", "SELECT '…'"),
            ("SELECT 1-2", "SELECT 1-2"),
        ] {
            assert_eq!(without_literals(sql), kept);
        }
    }
}
