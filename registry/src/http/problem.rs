//! Refusals as RFC 9457 problem details: the one place where errors become HTTP.
//!
//! ```json
//! {"type": "urn:suikang:problem:invalid_declaration", "title": "申报有误 The declaration has mistakes", "status": 422,
//!  "error_code": "invalid_declaration", "detail": "…",
//!  "errors": [{"pointer": "/person/phone", "error_code": "not_a_phone_number", "message_zh": "…", "message_en": "…"}]}
//! ```
//! `error_code` is for programs, `title` for people; nothing that the client sent is ever echoed.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

/// The content type of every problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A refusal. One pointer, so that results that may be one stay small.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Document>);

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Document {
    #[serde(rename = "type")]
    type_uri: String,
    title: Cow<'static, str>,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    error_code: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(flatten)]
    extensions: Map<String, Value>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

/// One wrong field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where, as a JSON pointer (RFC 6901); in a query or a CSV row `/` and the name.
    pub pointer: String,
    /// What is wrong, for programs.
    pub error_code: Cow<'static, str>,
    /// What is wrong, for people.
    pub message_zh: Cow<'static, str>,
    /// What is wrong, for people, in English.
    pub message_en: Cow<'static, str>,
}

impl FieldError {
    /// A wrong field, in fixed words.
    pub fn new(
        pointer: impl Into<String>,
        error_code: impl Into<Cow<'static, str>>,
        message_zh: impl Into<Cow<'static, str>>,
        message_en: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            error_code: error_code.into(),
            message_zh: message_zh.into(),
            message_en: message_en.into(),
        }
    }
}

impl Problem {
    /// A refusal; the title has Chinese first and English beside it.
    pub fn new(
        status: StatusCode,
        error_code: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
    ) -> Self {
        let error_code = error_code.into();
        Self(Box::new(Document {
            type_uri: format!("urn:suikang:problem:{error_code}"),
            title: title.into(),
            status,
            error_code,
            detail: None,
            errors: Vec::new(),
            extensions: Map::new(),
            retry_after_s: None,
        }))
    }

    /// 401: no token, or none that counts.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "请先登录 A valid token is needed")
    }

    /// 403: the token counts, but not for this, or not there.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "没有权限 Not permitted")
    }

    /// 404: nothing there, or nothing that the caller may know of.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "未找到 Not found")
    }

    /// 409: somebody else was first, or the state forbids it.
    pub fn conflict(error_code: impl Into<Cow<'static, str>>, title: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, error_code, title)
    }

    /// 400: not even the form of a request.
    pub fn malformed(error_code: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error_code, "请求格式有误 The request is malformed")
    }

    /// 413: more bytes than this door takes.
    pub fn too_large(limit_bytes: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "请求过大 The request is too large")
            .with("limit_bytes", limit_bytes)
    }

    /// 408: the body took too long to come.
    pub fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "发送过慢 The body came too slowly")
    }

    /// 415: another content type than this door takes.
    pub fn unsupported_type(expected: &'static str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_type", "内容类型不支持 Unsupported content type")
            .with("expected", expected)
    }

    /// 422: a request with wrong fields, every one of them named.
    pub fn invalid(error_code: impl Into<Cow<'static, str>>, errors: Vec<FieldError>) -> Self {
        let mut problem =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, error_code, "填写有误，请更正 Some fields are wrong");
        problem.0.errors = errors;
        problem
    }

    /// 429: too often.
    pub fn too_many(retry_after_s: u32) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", "请求过于频繁，请稍后再试 Too many requests")
            .retry_after(retry_after_s)
    }

    /// 500: our mistake; the log says more than the client may know.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "系统错误 Something broke on our side")
    }

    /// 503: not now; nothing was promised.
    pub fn unavailable(retry_after_s: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "暂时无法处理，请稍后再试 Please try again shortly")
            .retry_after(retry_after_s)
    }

    /// Says more, in fixed words.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Names a wrong field.
    #[must_use]
    pub fn error(mut self, error: FieldError) -> Self {
        self.0.errors.push(error);
        self
    }

    /// Adds an extension member, such as the id that the refusal is about.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to come again, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The word for programs.
    pub fn error_code(&self) -> &str {
        &self.0.error_code
    }

    /// The wrong fields.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The document, for a line of a batch's answer.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("a problem is text, numbers and JSON values")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0.status, self.to_value().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_members_of_rfc_9457() {
        let problem = Problem::invalid("invalid_declaration", Vec::new())
            .error(FieldError::new("/person/phone", "not_a_phone_number", "不是手机号码", "not a phone number"))
            .with("declaration_id", "x");
        assert_eq!(
            problem.to_value(),
            serde_json::json!({
                "type": "urn:suikang:problem:invalid_declaration",
                "title": "填写有误，请更正 Some fields are wrong",
                "status": 422,
                "error_code": "invalid_declaration",
                "errors": [{
                    "pointer": "/person/phone",
                    "error_code": "not_a_phone_number",
                    "message_zh": "不是手机号码",
                    "message_en": "not a phone number"
                }],
                "declaration_id": "x"
            })
        );
    }

    #[test]
    fn headers_say_when_to_come_again_and_how_to_sign_in() {
        let response = Problem::unavailable(2).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(Problem::unauthorized().into_response().headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
