//! `POST /v1/declarations/batch`: staff hands in many forms as NDJSON or CSV, and reads an answer for each row while later ones are read.
//!
//! ```text
//! {"row": 1, "declaration_id": "…", "subject": "…"}
//! {"row": 2, "problem": {…}}
//! ```
//! Rows count from 1, a CSV's header not among them. A bad row spoils no other. The body is never held whole: at most [`ROWS_AT_ONCE`] rows
//! are in hand, and nothing more is read before their answers are on their way.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use suikang_registry::http::{Bearer, FieldError, Problem, json};
use suikang_registry::{Action, Caller};

use super::accept::{Submission, accept};
use super::accepted::Accepted;
use super::csv_row::{CsvError, Header, column_pointer};
use super::form::{self, Form, Reading, TypedForm};
use super::identity::{self, IdempotencyKey};
use super::in_force::InForce;
use super::rows::{Format, RowTooLong, Rows};
use crate::doors::Doors;
use crate::limits::{Admission, Door};
use crate::{body, clock, metrics};

/// Rows that share one append.
const ROWS_AT_ONCE: usize = 100;

pub(crate) async fn post(
    State(doors): State<Doors>,
    Bearer(caller): Bearer,
    request: Request,
) -> Result<Response, Problem> {
    let admission = doors.limits.admit(Door::Batches)?;
    if !caller.may_somewhere(Action::DeclareForOthers) {
        return Err(Problem::forbidden());
    }
    let clients_key = IdempotencyKey::from_headers(request.headers(), doors.now_ms())?;
    let format = format(request.headers())?;
    doors.require_fresh_registry()?;
    InForce::at(&doors.registry().snapshot(), doors.now_ms())?;
    let intake = Intake::new(&doors, format, request.into_body().into_data_stream());
    let mut batch = Batch {
        key: clients_key.unwrap_or_else(|| IdempotencyKey::new(doors.now_ms())),
        key_is_clients: clients_key.is_some(),
        header: None,
        intake,
        row: 0,
        given_up: None,
        doors,
        caller,
        _admission: admission,
    };
    if format == Format::Csv {
        // A batch that can't be read at all is refused as a whole.
        batch.read_header().await?;
    }
    let answers = futures::stream::unfold(batch, |mut batch| async move {
        batch.next_answers().await.map(|answers| (Ok::<_, Infallible>(answers), batch))
    });
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(answers)).into_response())
}

fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    body::refuse_encoded(headers)?;
    match body::media_type(headers).as_deref() {
        Some("application/x-ndjson") => Ok(Format::Ndjson),
        Some("text/csv") => Ok(Format::Csv),
        _ => Err(Problem::unsupported_type("application/x-ndjson, text/csv")),
    }
}

/// A batch in hand.
struct Batch {
    doors: Doors,
    caller: Caller,
    key: IdempotencyKey,
    key_is_clients: bool,
    header: Option<(Header, Bytes)>,
    intake: Intake,
    /// Rows read so far.
    row: usize,
    /// Why nothing more is tried: the log is away, and waiting for it once is enough.
    given_up: Option<Problem>,
    _admission: Admission,
}

impl Batch {
    async fn read_header(&mut self) -> Result<(), Problem> {
        let invalid = |wrong: CsvError| Problem::invalid("invalid_header", vec![csv_error(wrong)]);
        match self.intake.next().await {
            None => Err(invalid(CsvError::FieldCount)),
            Some(row) => {
                let row = row?;
                self.header = Some((Header::read(&row).map_err(invalid)?, row));
                Ok(())
            }
        }
    }

    /// The answers to the next rows, a line each; nothing at the end.
    async fn next_answers(&mut self) -> Option<Bytes> {
        let mut rows = vec![self.intake.next().await?];
        while rows.len() < ROWS_AT_ONCE
            && let Some(Some(row)) = self.intake.next().now_or_never()
        {
            rows.push(row);
        }
        let first = self.row + 1;
        self.row += rows.len();
        let mut lines = Vec::new();
        for (at, answer) in self.answer(rows).await.into_iter().enumerate() {
            metrics::declaration_answered(&answer);
            let line = match answer {
                Ok(accepted) => serde_json::json!({
                    "row": first + at,
                    "declaration_id": accepted.declaration_id.to_string(),
                    "subject": accepted.subject.to_string(),
                }),
                Err(problem) => serde_json::json!({ "row": first + at, "problem": problem.to_value() }),
            };
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
        Some(lines.into())
    }

    async fn answer(&mut self, rows: Vec<Result<Bytes, Problem>>) -> Vec<Result<Accepted, Problem>> {
        if let Some(problem) = &self.given_up {
            return rows.into_iter().map(|_| Err(problem.clone())).collect();
        }
        let now_ms = self.doors.now_ms();
        let registry = self.doors.registry().snapshot();
        let in_force = match self.doors.require_fresh_registry().and_then(|()| Ok(InForce::at(&registry, now_ms)?)) {
            Ok(in_force) => in_force,
            Err(problem) => return rows.into_iter().map(|_| Err(problem.clone())).collect(),
        };
        let reading = Reading { registry: &registry, today: clock::local_date(now_ms), by_staff: true };
        let mut submissions = Vec::new();
        let read: Vec<Result<(), Problem>> = (rows.into_iter())
            .map(|row| row.and_then(|row| self.read(&row, reading)).map(|submission| submissions.push(submission)))
            .collect();
        let mut accepted = accept(&self.doors, &self.caller, &submissions, &in_force).await.into_iter();
        let answers: Vec<_> = read
            .into_iter()
            .map(|read| read.and_then(|()| accepted.next().unwrap_or_else(|| Err(Problem::internal()))))
            .collect();
        let away = |answer: &&Result<_, Problem>| {
            answer.as_ref().is_err_and(|problem| problem.status() == StatusCode::SERVICE_UNAVAILABLE)
        };
        self.given_up = answers.iter().find(away).and_then(|answer| answer.as_ref().err().cloned());
        answers
    }

    fn read(&self, row: &Bytes, reading: Reading<'_>) -> Result<Submission, Problem> {
        let (mut typed, body) = match &self.header {
            Some((header, header_row)) => {
                let typed =
                    header.form(row).map_err(|wrong| Problem::invalid("invalid_row", vec![csv_error(wrong)]))?;
                (typed, identity::digest(&[header_row, b"\n".as_slice(), row].concat()))
            }
            None => (json::parse_closed::<TypedForm>(row)?, identity::digest(row)),
        };
        // Whoever may hand in a batch declares as staff; rows needn't say so.
        typed.declared_by.get_or_insert_with(|| "staff".to_owned());
        let form = self.form(typed, reading)?;
        Ok(Submission { form, key: self.key, key_is_clients: self.key_is_clients, body })
    }

    fn form(&self, typed: TypedForm, reading: Reading<'_>) -> Result<Form, Problem> {
        form::read(typed, reading).map_err(|mut errors| {
            if self.header.is_some() {
                errors.iter_mut().for_each(|error| error.pointer = column_pointer(&error.pointer));
            }
            Problem::invalid("invalid_declaration", errors)
        })
    }
}

fn csv_error(wrong: CsvError) -> FieldError {
    let (pointer, error_code, zh, en) = match wrong {
        CsvError::NotUtf8 => (String::new(), "not_utf8", "不是 UTF-8 编码", "is not UTF-8"),
        CsvError::Nul => (String::new(), "nul", "含有空字符", "contains NUL"),
        CsvError::FieldCount => {
            (String::new(), "field_count", "列数与表头不符", "has not as many fields as the header")
        }
        CsvError::LineEnd => (
            String::new(),
            "line_end",
            "行尾只有回车符，请改用换行符（或回车加换行）",
            "ends with a carriage return alone: end rows with a line feed, or with both",
        ),
        CsvError::UnknownColumn(at) => (format!("/{at}"), "unknown_column", "没有这一列", "is no column of a batch"),
        CsvError::RepeatedColumn(at) => {
            (format!("/{at}"), "repeated_column", "此列重复", "is a column that stands there twice")
        }
    };
    FieldError::new(pointer, error_code, zh, en)
}

/// The rows of a body, as they arrive.
struct Intake {
    pieces: Option<BodyDataStream>,
    rows: Option<Rows>,
    ready: VecDeque<Result<Bytes, RowTooLong>>,
    left_bytes: usize,
    left_rows: usize,
    most_bytes: usize,
    most_rows: usize,
    timeout: std::time::Duration,
}

impl Intake {
    fn new(doors: &Doors, format: Format, pieces: BodyDataStream) -> Self {
        let settings = &doors.settings;
        // A header is a row of the body, too.
        let rows = settings.batch_rows + usize::from(format == Format::Csv);
        Self {
            pieces: Some(pieces),
            rows: Some(Rows::new(format, settings.batch_row_bytes)),
            ready: VecDeque::new(),
            left_bytes: settings.batch_bytes,
            left_rows: rows,
            most_bytes: settings.batch_bytes,
            most_rows: settings.batch_rows,
            timeout: doors.body_timeout(),
        }
    }

    /// The next row, or why there is none; a body that breaks off says so in place of a row, and ends there. Cancel-safe.
    async fn next(&mut self) -> Option<Result<Bytes, Problem>> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                if self.left_rows == 0 {
                    return Some(Err(self.end(too_many_rows(self.most_rows))));
                }
                self.left_rows -= 1;
                return Some(
                    row.map_err(|RowTooLong| Problem::too_large(0).detail("此行过长。 This row is too long.")),
                );
            }
            let pieces = self.pieces.as_mut()?;
            match tokio::time::timeout(self.timeout, pieces.next()).await {
                Ok(Some(Ok(piece))) if piece.len() <= self.left_bytes => {
                    self.left_bytes -= piece.len();
                    let rows = self.rows.as_mut().map(|rows| rows.push(piece));
                    self.ready.extend(rows.into_iter().flatten());
                }
                Ok(Some(Ok(_))) => return Some(Err(self.end(Problem::too_large(self.most_bytes)))),
                Ok(Some(Err(_))) => return Some(Err(self.end(Problem::malformed("incomplete_body")))),
                Err(_) => return Some(Err(self.end(Problem::too_slow()))),
                Ok(None) => {
                    self.pieces = None;
                    self.ready.extend(self.rows.take().and_then(Rows::finish));
                }
            }
        }
    }

    fn end(&mut self, problem: Problem) -> Problem {
        self.pieces = None;
        self.ready.clear();
        problem
    }
}

fn too_many_rows(most_rows: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_rows", "行数过多，请分批提交 Too many rows: split the batch")
        .with("limit_rows", most_rows)
}
