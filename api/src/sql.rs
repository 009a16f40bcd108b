//! `POST /v1/sql`: a question over lake ∪ tail. Written down before it runs, whatever becomes of it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use suikang_analytics::sql::{Answer, SqlError, format};
use suikang_registry::http::{Bearer, Problem, StrictJson};
use suikang_registry::{Action, Role};

use crate::state::ApiState;

/// A question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    sql: String,
}

/// The answer, in the form that `Accept` asks for: JSON unless it is CSV, Arrow or Parquet.
pub(crate) async fn query(
    State(state): State<ApiState>,
    Bearer(caller): Bearer,
    headers: HeaderMap,
    StrictJson(request): StrictJson<Request, { 128 * 1024 }>,
) -> Result<Response, Problem> {
    // Analysts may ask once small groups are suppressed in what they see; rows are for investigators.
    let allowed = caller.may_somewhere(Action::QuerySql) && caller.role != Role::HeadquartersAnalyst;
    // The text is kept without its literals, which might be anything.
    state
        .audit
        .record(&caller, "query_sql", &without_literals(&request.sql), allowed)
        .await
        .map_err(|_| Problem::unavailable(2))?;
    if !allowed {
        return Err(Problem::forbidden());
    }
    let answer = state.sql.query(&request.sql).await.map_err(problem)?;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    render(&answer, accept).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written");
        Problem::internal()
    })
}

fn render(answer: &Answer, accept: &str) -> Result<Response, Box<dyn std::error::Error>> {
    let cut = serde_json::to_string(&answer.cut)?;
    let named = |content_type: &'static str, body: Vec<u8>| {
        let truncated = if answer.truncated { "true" } else { "false" };
        ([("content-type", content_type), ("suikang-truncated", truncated)], [("suikang-cut", cut.clone())], body)
            .into_response()
    };
    Ok(if accept.contains("text/csv") {
        named("text/csv; charset=utf-8", format::csv(answer)?)
    } else if accept.contains("application/vnd.apache.arrow.stream") {
        named("application/vnd.apache.arrow.stream", format::arrow(answer)?)
    } else if accept.contains("application/vnd.apache.parquet") {
        named("application/vnd.apache.parquet", format::parquet(answer)?)
    } else {
        let columns: Vec<_> = answer
            .schema
            .fields()
            .iter()
            .map(|field| json!({"name": field.name(), "type": field.data_type().to_string()}))
            .collect();
        Json(json!({
            "columns": columns,
            "rows": format::json(answer)?,
            "row_limit": answer.row_limit,
            "truncated": answer.truncated,
            "cut": answer.cut,
        }))
        .into_response()
    })
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

/// A query with `'…'` for every literal text and `0` for every number of more than four digits.
fn without_literals(sql: &str) -> String {
    let mut kept = String::new();
    let mut characters = sql.chars().take(4_096).peekable();
    while let Some(character) = characters.next() {
        if character == '\'' {
            kept.push_str("'…'");
            for inside in characters.by_ref() {
                if inside == '\'' {
                    break;
                }
            }
        } else if character.is_ascii_digit() {
            let mut digits = String::from(character);
            while let Some(digit) = characters.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            kept.push_str(if digits.len() > 4 { "0" } else { &digits });
        } else {
            kept.push(character);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::without_literals;

    #[test]
    fn the_audit_keeps_no_literals() {
        assert_eq!(
            without_literals("SELECT * FROM scans WHERE district = '440106' AND code_ref = 123456789 LIMIT 10 -- 'x"),
            "SELECT * FROM scans WHERE district = '…' AND code_ref = 0 LIMIT 10 -- '…'"
        );
    }
}
