//! Bodies: as much of them as a door takes, in time, and as they are: a compressed one is refused, however small it looks.

use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use suikang_registry::http::Problem;
pub(crate) use suikang_registry::http::json::refuse_encoded;

use crate::limits::{Admission, Door, Held, Limits};

/// The media type of a request, without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next()?.trim().to_ascii_lowercase())
}

/// The bytes of a JSON body, and a place at the door: taken when they are all there, so that nobody takes one by sending slowly.
pub(crate) async fn json(
    request: Request,
    limit_bytes: usize,
    timeout: Duration,
    limits: &Limits,
    door: Door,
) -> Result<(Bytes, Admission), Problem> {
    if media_type(request.headers()).as_deref() != Some("application/json") {
        return Err(Problem::unsupported_type("application/json"));
    }
    refuse_encoded(request.headers())?;
    let (bytes, held) = tokio::time::timeout(timeout, receive(request, limit_bytes, limits, door))
        .await
        .map_err(|_| Problem::too_slow())??;
    Ok((bytes, limits.admit(door)?.holding(held)))
}

/// The whole body, if it has at most this many bytes; each is accounted for when it comes, and none is believed to come.
async fn receive(request: Request, limit_bytes: usize, limits: &Limits, door: Door) -> Result<(Bytes, Held), Problem> {
    if request.body().size_hint().lower() > limit_bytes as u64 {
        return Err(Problem::too_large(limit_bytes));
    }
    let mut pieces = request.into_body().into_data_stream();
    let (mut body, mut held) = (BytesMut::new(), limits.hold(door, 0)?);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Problem::malformed("incomplete_body"))?;
        if body.len() + piece.len() > limit_bytes {
            return Err(Problem::too_large(limit_bytes));
        }
        held.merge(limits.hold(door, piece.len())?);
        body.extend_from_slice(&piece);
    }
    Ok((body.freeze(), held))
}
