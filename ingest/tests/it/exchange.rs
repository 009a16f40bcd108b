//! Requests and answers.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// A POST in the making.
pub(crate) struct Post {
    path: &'static str,
    headers: Vec<(String, String)>,
    body: Body,
}

/// An answer that was read to its end.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Post {
    pub(crate) fn json(path: &'static str, token: &str, body: &Value) -> Post {
        Post::raw(path, token, "application/json", body.to_string())
    }

    pub(crate) fn raw(path: &'static str, token: &str, content_type: &str, body: impl Into<Body>) -> Post {
        let headers = vec![
            ("authorization".to_owned(), format!("Bearer {token}")),
            ("content-type".to_owned(), content_type.to_owned()),
        ];
        Post { path, headers, body: body.into() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Post {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) async fn send(self, router: &Router) -> Answer {
        let mut request = Request::post(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let response = router.clone().oneshot(request.body(self.body).unwrap()).await.unwrap();
        Answer::read(response).await
    }
}

impl Answer {
    async fn read(response: Response<Body>) -> Answer {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The lines of an NDJSON answer.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A member that is a text.
    pub(crate) fn text_of(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.text)).to_owned()
    }

    /// The status, and the word of a problem.
    pub(crate) fn refused(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        (self.status.as_u16(), self.text_of("error_code"))
    }

    /// The wrong fields of a problem: place and word.
    pub(crate) fn wrong_fields(&self) -> Vec<(String, String)> {
        wrong_fields(&self.json())
    }
}

pub(crate) fn wrong_fields(problem: &Value) -> Vec<(String, String)> {
    let word = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
    problem["errors"].as_array().unwrap().iter().map(|e| (word(e, "pointer"), word(e, "error_code"))).collect()
}
