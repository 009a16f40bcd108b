//! The one variable segment of a path. What isn't UTF-8 names nothing here, so it isn't found.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use suikang_registry::http::Problem;

/// Its text, percent-decoded.
#[derive(Debug)]
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text)).map_err(|_| Problem::not_found())
    }
}
