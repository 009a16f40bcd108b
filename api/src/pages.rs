//! Pages and what they load. Everything is in the binary; nothing comes from anywhere else.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;
use suikang_registry::http::{Bearer, Problem};

use crate::overview::{self, Overview};
use crate::state::ApiState;

#[derive(Template)]
#[template(path = "index.html")]
struct Index {
    overview: Overview,
}

#[derive(RustEmbed)]
#[folder = "assets"]
struct Assets;

/// `GET /`: the city on one page.
pub(crate) async fn index(
    State(state): State<ApiState>,
    bearer: Result<Bearer, Problem>,
) -> Result<Html<String>, Problem> {
    let page = Index { overview: overview::read(&state, bearer.as_ref().ok())? };
    page.render().map(Html).map_err(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        Problem::internal()
    })
}

/// `GET /assets/{file}`: style, scripts, the icon.
pub(crate) async fn asset(Path(file): Path<String>) -> Result<Response, Problem> {
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
