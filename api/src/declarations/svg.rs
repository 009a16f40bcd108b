//! `GET /v1/declarations/{id}/code.svg`: the code as a QR picture.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use fast_qr::convert::Builder as _;
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::{ECL, QRBuilder};
use suikang_registry::http::{Bearer, Problem};
use suikang_schemas::pass_code;

use super::find_code;
use crate::segment::Segment;
use crate::state::ApiState;

/// The picture for a screen.
pub(crate) async fn svg(
    State(state): State<ApiState>,
    Bearer(caller): Bearer,
    Segment(id): Segment,
) -> Result<Response, Problem> {
    let (_, issued) = find_code(&state, &caller, &id).await?;
    let picture = qr_svg(&pass_code::to_text(&issued.pass_code), ECL::M);
    // The code never changes, but it is its holder's alone.
    let headers =
        [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "private, max-age=604800, immutable")];
    Ok((headers, picture).into_response())
}

/// A text as a QR code with four modules of margin (ISO/IEC 18004): level M on a screen, Q on paper, which gets creased.
pub(super) fn qr_svg(text: &str, level: ECL) -> String {
    let code = QRBuilder::new(text).ecl(level).build().expect("a pass code fits a QR code of any level");
    SvgBuilder::default().margin(4).to_str(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_code_fits_paper() {
        // 300 bytes in Base45 are 450 characters; a code has about 220.
        assert!(qr_svg(&format!("GZ1:{}", "A".repeat(450)), ECL::Q).starts_with("<svg"));
    }
}
