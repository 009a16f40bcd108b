//! Every wrong field is named in one answer, and no value is echoed.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::city::{AWAY, AWAY_GATE, COMMUNITY, City, EAST_GATE, HOME};
use crate::exchange::{Answer, Post};
use crate::forms;

async fn declare(city: &City, router: &axum::Router, body: &Value) -> Answer {
    Post::json("/v1/declarations", &city.resident("me"), body).send(router).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_form_is_wrong_at_once() {
    let (city, node) = City::new().await;
    let answer = declare(
        &city,
        &node.router,
        &json!({
            "person": {
                "name": "canary\u{202e}name",
                "document": {"type": "resident_id", "number": "440106198001010017"},
                "phone": "canary-phone",
                "address": "  ",
                "kind": "canary-kind",
            },
            "declared_by": "staff",
            "residence": {"committee": HOME, "community": "440104001007-001", "since": "2999-01-01", "capacity": "canary"},
            "health": {
                "symptoms": ["fever", "canary", "fever"],
                "hubei_stay": "canary",
                "hubei_return": "20.2.2020",
                "contact": "",
                "description": "canary\u{7}",
            },
        }),
    )
    .await;
    assert_eq!(answer.refused(), (422, "invalid_declaration".to_owned()));
    insta::assert_json_snapshot!(answer.json());
    assert!(!answer.text.contains("canary") && !answer.text.contains("440106198001010017"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_form_is_missing_at_once() {
    let (city, node) = City::new().await;
    let answer =
        declare(&city, &node.router, &json!({"person": {"document": {}}, "residence": {}, "health": {}})).await;
    let places: Vec<String> =
        answer.wrong_fields().into_iter().map(|(place, word)| format!("{place} {word}")).collect();
    assert_eq!(
        places,
        [
            "/person/name required",
            "/person/document/type required",
            "/person/document/number required",
            "/person/phone required",
            "/person/address required",
            "/person/kind required",
            "/declared_by required",
            "/residence/committee required",
            "/residence/capacity required",
            "/health/symptoms required",
            "/health/hubei_stay required",
            "/health/contact required",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_and_phones_say_what_is_wrong_with_them() {
    let (city, node) = City::new().await;
    for (number, word) in [
        ("440106198001010017", "wrong_check_digit"),
        ("440106198002310010", "no_such_date"),
        ("000106198001010011", "no_such_area"),
        ("44010619800101001", "wrong_length"),
        ("44010619800101001张", "wrong_character"),
    ] {
        let mut form = forms::full(1);
        form["person"]["document"]["number"] = json!(number);
        let answer = declare(&city, &node.router, &form).await;
        assert_eq!(answer.wrong_fields(), [("/person/document/number".to_owned(), word.to_owned())], "{number}");
        assert!(!answer.text.contains(number));
    }
    for (phone, word) in
        [("1380013800", "wrong_length"), ("12800138000", "no_such_number"), ("+4915112345678", "other_country")]
    {
        let mut form = forms::full(1);
        form["person"]["phone"] = json!(phone);
        assert_eq!(
            declare(&city, &node.router, &form).await.wrong_fields(),
            [("/person/phone".to_owned(), word.to_owned())]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_those_of_the_city() {
    let (city, node) = City::new().await;
    for (residence, expected) in [
        (json!({"committee": "440106", "capacity": "owner"}), ("/residence/committee", "not_a_committee")),
        (json!({"committee": "440106001999", "capacity": "owner"}), ("/residence/committee", "unknown_place")),
        (
            json!({"committee": AWAY, "community": COMMUNITY, "capacity": "owner"}),
            ("/residence/community", "outside_committee"),
        ),
        (
            json!({"committee": HOME, "community": "440106001001-777", "capacity": "owner"}),
            ("/residence/community", "unknown_place"),
        ),
        (
            json!({"committee": HOME, "community": EAST_GATE, "capacity": "owner"}),
            ("/residence/community", "not_a_community"),
        ),
    ] {
        let mut form = forms::full(1);
        form["residence"] = residence;
        let (place, word) = expected;
        assert_eq!(declare(&city, &node.router, &form).await.wrong_fields(), [(place.to_owned(), word.to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_information_or_a_subject() {
    let (city, node) = City::new().await;
    let mut form = forms::full(1);
    form["person"]["subject"] = json!("00000000000000000000000000000000");
    assert_eq!(
        declare(&city, &node.router, &form).await.wrong_fields(),
        [("/person".to_owned(), "full_or_subject".to_owned())]
    );
    let form = forms::renewal("not hexadecimal");
    assert_eq!(
        declare(&city, &node.router, &form).await.wrong_fields(),
        [("/person/subject".to_owned(), "not_an_identifier".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_an_upload_is_wrong_at_once() {
    let (city, node) = City::new().await;
    let body = json!({
        "device_epoch": "canary",
        "first_seq": 0,
        "checkpoint": "440106001001-001-99",
        "scans": [
            {"scanned_at_ms": 5, "direction": "canary", "shown": "screen", "verdict": "admit", "reasons": ["fever", "canary", "fever"]},
            {"code_id": "canary", "status": "blue", "temperature_tenths_celsius": 3650, "vehicle": {"group": 0, "plate": "canary", "heads": 0}},
        ],
    });
    let answer = Post::json("/v1/scans", &city.inspector(), &body).send(&node.router).await;
    assert_eq!(answer.refused(), (422, "invalid_scans".to_owned()));
    let places: Vec<String> =
        answer.wrong_fields().into_iter().map(|(place, word)| format!("{place} {word}")).collect();
    insta::assert_snapshot!(places.join("\n"));
    assert!(!answer.text.contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_has_1_to_500_scans() {
    let (city, node) = City::new().await;
    let scan = json!({"scanned_at_ms": crate::city::now_ms(), "direction": "entry", "shown": "screen", "verdict": "admit", "reasons": []});
    for (count, word) in [(0, "empty"), (501, "too_many")] {
        let body = json!({"device_epoch": "00000000000000aa", "first_seq": 1, "checkpoint": EAST_GATE, "scans": vec![scan.clone(); count]});
        let answer = Post::json("/v1/scans", &city.inspector(), &body).send(&node.router).await;
        assert_eq!(answer.wrong_fields(), [("/scans".to_owned(), word.to_owned())]);
    }
    let body =
        json!({"device_epoch": "00000000000000aa", "first_seq": 1, "checkpoint": EAST_GATE, "scans": vec![scan; 500]});
    let answer = Post::json("/v1/scans", &city.inspector(), &body).send(&node.router).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["results"], json!(vec!["accepted"; 500]));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_check_is_wrong_at_once() {
    let (city, node) = City::new().await;
    let body = json!({
        "code": "GZ1:canary", "checkpoint": "440106001001-001-99", "direction": "sideways", "shown": "none",
        "temperature_tenths_celsius": 36, "vehicle": {"plate": "canary"}, "seq": 0,
    });
    let answer = Post::json("/v1/checks", &city.inspector(), &body).send(&node.router).await;
    assert_eq!(answer.refused(), (422, "invalid_check".to_owned()));
    let places: Vec<String> =
        answer.wrong_fields().into_iter().map(|(place, word)| format!("{place} {word}")).collect();
    assert_eq!(
        places,
        [
            "/checkpoint unknown_place",
            "/direction not_a_choice",
            "/shown together",
            "/temperature_tenths_celsius out_of_range",
            "/vehicle/group required",
            "/vehicle/plate not_a_plate",
            "/vehicle/heads required",
            "/device_epoch together",
            "/seq out_of_range",
        ]
    );
    assert!(!answer.text.contains("canary"));
    let elsewhere = json!({"checkpoint": AWAY_GATE});
    let answer = Post::json("/v1/checks", &city.inspector(), &elsewhere).send(&node.router).await;
    assert_eq!(answer.refused(), (403, "forbidden".to_owned()), "before anything else");
}
