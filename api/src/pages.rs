//! Pages and what they load. Everything is in the binary; nothing comes from anywhere else.

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;
use suikang_registry::http::{Bearer, Problem};

use crate::overview::{self, Overview};
use crate::segment::Segment;
use crate::state::ApiState;

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    overview: Overview,
}

#[derive(RustEmbed)]
#[folder = "assets"]
struct Assets;

/// What a page may load, and from where: what we serve ourselves. Nobody frames it, nobody guesses types.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /`: the city on one page.
pub(crate) async fn index(State(state): State<ApiState>, bearer: Result<Bearer, Problem>) -> Result<Response, Problem> {
    page(&Index { overview: overview::read(&state, bearer.as_ref().ok())? }, "no-cache")
}

/// A template as an answer.
pub(crate) fn page(template: &impl Template, cache_control: &'static str) -> Result<Response, Problem> {
    let html = template.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        Problem::internal()
    })?;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, cache_control),
    ];
    Ok((headers, Html(html)).into_response())
}

/// `GET /assets/{file}`: style, scripts, the icon.
pub(crate) async fn asset(Segment(file): Segment) -> Result<Response, Problem> {
    let asset = Assets::get(&file).ok_or_else(Problem::not_found)?;
    let content_type = match file.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "public, max-age=300")], asset.data)
        .into_response())
}
