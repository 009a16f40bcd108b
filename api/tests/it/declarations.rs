//! `GET /v1/declarations/{id}`, `…/code.svg`, `…/print`.

use serde_json::json;
use suikang_registry::{Action, Role};
use suikang_schemas::declaration::Rejection;
use suikang_schemas::status::Status;

use crate::city::{AWAY, City, HOME, declaration_id, now_ms};
use crate::exchange::get;

const DAY_MS: i64 = 24 * 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_and_staff_of_the_area_read_an_outcome_and_to_everyone_else_it_does_not_exist() {
    let city = City::new().await;
    let subject = city.person("me", HOME, None).await;
    let code = city.issue(subject, HOME, Status::Amber).await;
    city.settle().await;
    let path = format!("/v1/declarations/{}", code.declaration_id);
    let absent = format!("/v1/declarations/{}", declaration_id(now_ms() - 2 * DAY_MS));

    let mine = city.send(get(&path).bearer(&city.resident("me"))).await.json();
    assert_eq!(mine["state"], "issued");
    assert_eq!(mine["outcome"]["status"], "amber");
    assert_eq!(mine["outcome"]["pass_code"], code.text.as_str());
    assert!(mine["outcome"]["expires_at"].as_str().unwrap().ends_with("+08:00"));

    for (role, area) in [
        (Role::CommunityAdministrator, HOME),
        (Role::StreetAdministrator, &HOME[..9]),
        (Role::Proxy, "440106"),
        (Role::DistrictAdministrator, "4401"),
    ] {
        assert_eq!(city.send(get(&path).bearer(&city.token(role, area, "staff"))).await.json(), mine, "{role} {area}");
    }
    for (token, status) in [
        (city.resident("somebody else"), 404),
        (city.token(Role::CommunityAdministrator, AWAY, "staff"), 404),
        (city.token(Role::CommunityAdministrator, &format!("{HOME}-001"), "staff"), 404),
        (city.token(Role::Inspector, "4401", "staff"), 403),
        (city.investigator(), 403),
        ("sk1.nonsense".to_owned(), 401),
    ] {
        let (found, not_there) =
            (city.send(get(&path).bearer(&token)).await, city.send(get(&absent).bearer(&token)).await);
        assert_eq!(found.status, status);
        assert_eq!(found, not_there, "nothing tells them apart");
    }
    assert_eq!(city.send(get(&path)).await.refused().0, 401);

    let looks: Vec<_> = city.audited().await.into_iter().map(|(entry, _)| entry).collect();
    assert!(looks.iter().all(|entry| entry.actor.role != "resident"), "what holders look at is nobody's business");
    let of = |allowed| looks.iter().filter(|entry| entry.allowed == allowed).collect::<Vec<_>>();
    assert_eq!(of(true).len(), 4, "every look of staff");
    assert!(of(true).iter().all(|entry| {
        entry.action == Action::ReadDeclaration.as_str() && entry.target == code.declaration_id.to_string()
    }));
    assert_eq!(of(false).len(), 2 + 2 * 2, "and every refusal");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_still_come_is_pending_and_what_cannot_is_not_found() {
    let city = City::new().await;
    city.settle().await;
    let (me, young) = (city.resident("me"), declaration_id(now_ms()));
    let path = format!("/v1/declarations/{young}");
    let pending = city.send(get(&path).bearer(&me)).await.json();
    assert_eq!(pending, json!({"declaration_id": young, "state": "pending"}));
    for part in ["code.svg", "print"] {
        let answer = city.send(get(format!("{path}/{part}")).bearer(&me)).await;
        assert_eq!(answer.refused(), (409, "pending".to_owned()));
        assert_eq!(answer.header("retry-after"), "1");
    }
    for id in [
        declaration_id(now_ms() - 2 * DAY_MS).to_string(),
        declaration_id(now_ms() + DAY_MS).to_string(),
        young.to_string().to_uppercase(),
        "1".to_owned(),
        "%00".to_owned(),
        "%F0%9F%92%A9".to_owned(),
        "%FF".to_owned(),
    ] {
        let answer = city.send(get(format!("/v1/declarations/{id}")).bearer(&me)).await;
        assert_eq!(answer.refused(), (404, "not_found".to_owned()), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_has_its_word_and_no_code() {
    let city = City::new().await;
    let subject = city.person("me", HOME, None).await;
    let id = city.reject(subject, HOME, Rejection::OrderEnded).await;
    city.settle().await;
    let path = format!("/v1/declarations/{id}");
    let answer = city.send(get(&path).bearer(&city.resident("me"))).await.json();
    assert_eq!((&answer["state"], &answer["outcome"]), (&json!("rejected"), &json!({"rejection": "order_ended"})));
    for part in ["code.svg", "print"] {
        assert_eq!(city.send(get(format!("{path}/{part}")).bearer(&city.resident("me"))).await.refused().0, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_is_the_code() {
    let city = City::new().await;
    let subject = city.person("me", HOME, None).await;
    let code = city.issue(subject, HOME, Status::Green).await;
    city.settle().await;
    let path = format!("/v1/declarations/{}", code.declaration_id);
    let picture = city.send(get(format!("{path}/code.svg")).bearer(&city.resident("me"))).await;
    assert_eq!(picture.header("content-type"), "image/svg+xml");
    assert!(picture.header("cache-control").starts_with("private,"));
    assert_eq!(qr_text(picture.text()), code.text);

    let page = city.send(get(format!("{path}/print")).bearer(&city.resident("me"))).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(page.header("cache-control"), "private, no-store");
    let html = page.text();
    let (from, to) = (html.find("<svg").unwrap(), html.find("</svg>").unwrap());
    assert_eq!(qr_text(&html[from..to]), code.text, "on paper, too");
    let last_day = chrono::DateTime::from_timestamp_millis(now_ms() + 7 * DAY_MS + 8 * 3_600_000).unwrap();
    for part in [&last_day.format("%Y-%m-%d").to_string(), "●", "绿码", "张**", "天河区", "照片"] {
        assert!(html.contains(part), "{part} is missing");
    }
}

/// Reads a QR code of unit squares, `M4,4h1v1h-1`, as a camera would: eight pixels a module.
fn qr_text(svg: &str) -> String {
    const PIXELS: usize = 8;
    let (_, view_box) = svg.split_once("viewBox=\"0 0 ").unwrap();
    let modules: usize = view_box.split_once(' ').unwrap().0.parse().unwrap();
    let mut dark = vec![false; modules * modules];
    for square in svg.split('M').skip(1) {
        let Some((at, _)) = square.split_once("h1v1h-1") else { continue };
        let (x, y) = at.split_once(',').unwrap();
        dark[y.parse::<usize>().unwrap() * modules + x.parse::<usize>().unwrap()] = true;
    }
    let side = modules * PIXELS;
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| {
        if dark[y / PIXELS * modules + x / PIXELS] { 0 } else { 255 }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code is found");
    grids[0].decode().unwrap().1
}
