//! `GET /v1/declarations/{id}/print`: a page for paper, with room for a photograph and the last day in large type.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use fast_qr::ECL;
use suikang_registry::http::{Bearer, Problem};
use suikang_schemas::area::Level;
use suikang_schemas::pass_code;

use super::svg::qr_svg;
use super::{broken, find_code};
use crate::dates::local;
use crate::pages;
use crate::segment::Segment;
use crate::state::ApiState;

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    svg: String,
    sign: &'static str,
    status_zh: &'static str,
    status_en: &'static str,
    masked_name: Option<String>,
    district_zh: String,
    district_en: String,
    last_day: String,
    last_minute: String,
    code_id: String,
}

/// The page.
pub(crate) async fn print(
    State(state): State<ApiState>,
    Bearer(caller): Bearer,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    let (outcome, issued) = find_code(&state, &caller, &id).await?;
    let snapshot = state.registry.snapshot();
    let district = outcome.committee.ancestor(Level::District).and_then(|area| snapshot.place(&area).cloned());
    let masked_name =
        state.registry.person(&outcome.subject).await.map_err(broken)?.and_then(|person| person.masked_name);
    let (status_zh, status_en) = issued.status.words();
    let expires = local(issued.expires_at_ms);
    let page = CodePage {
        svg: qr_svg(&pass_code::to_text(&issued.pass_code), ECL::Q),
        sign: issued.status.sign(),
        status_zh,
        status_en,
        masked_name: masked_name.filter(|_| snapshot.order().is_some_and(|order| order.masked_name_on_code)),
        district_zh: district.as_ref().map(|place| place.name_zh.clone()).unwrap_or_default(),
        district_en: district.and_then(|place| place.name_en).unwrap_or_default(),
        last_day: expires.format("%Y-%m-%d").to_string(),
        last_minute: expires.format("%H:%M:%S %:z").to_string(),
        code_id: issued.code_id.to_string(),
    };
    pages::page(&page, "private, no-store")
}
