//! `GET /` and `/v1/overview`: the city in sums.

use suikang_registry::Role;
use suikang_schemas::status::Status;

use crate::city::{City, HOME, now_ms};
use crate::exchange::get;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_shows_every_district_without_scripts() {
    let city = City::new().await;
    let subject = city.person("me", HOME, None).await;
    city.issue(subject, HOME, Status::Amber).await;
    city.settle().await;
    let figures = city.send(get("/v1/overview")).await.json();
    let districts = figures["districts"].as_array().unwrap();
    assert_eq!(districts.len(), 11);
    let declared: i64 = districts.iter().map(|district| district["declared"].as_i64().unwrap()).sum();
    assert_eq!((declared, figures["declared"].as_i64(), figures["status"]["amber"].as_i64()), (1, Some(1), Some(1)));

    let page = city.send(get("/")).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let html = page.text();
    for district in districts {
        assert!(html.contains(district["name_zh"].as_str().unwrap()));
    }
    assert_eq!(html.matches("role=\"img\" aria-label=\"").count(), 11, "each picture in words, too");
    assert_eq!(html.matches("<th scope=\"row\">").count(), 11);
    assert!(html.contains("▲ 1") && html.contains("黄码"), "a colour comes with a sign and a word");
    for asset in ["/assets/suikang.css", "/assets/overview.js", "/assets/icon.svg"] {
        assert!(html.contains(asset));
        assert_eq!(city.send(get(asset)).await.status, 200);
    }
    assert_eq!(city.send(get("/assets/..%2FCargo.toml")).await.refused().0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_keep_it_to_those_who_read_summaries() {
    let city = City::with(|settings| settings.0.public_overview = false, now_ms()).await;
    for path in ["/", "/v1/overview"] {
        assert_eq!(city.send(get(path)).await.refused().0, 401);
        assert_eq!(city.send(get(path).bearer(&city.resident("me"))).await.refused().0, 403);
        let analyst = city.token(Role::HeadquartersAnalyst, "4401", "analyst");
        assert_eq!(city.send(get(path).bearer(&analyst)).await.status, 200);
    }
}
