//! `GET /openapi.json`: the document speaks of every route and of no other, and its references lead somewhere. That its examples work is
//! tested on a living city.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::city::City;
use crate::exchange::get;

/// Every router, as text: axum doesn't tell its routes.
const ROUTERS: [&str; 3] = [
    include_str!("../../src/router.rs"),
    include_str!("../../../ingest/src/router.rs"),
    include_str!("../../../src/operations.rs"),
];

/// Such as `get /v1/declarations/{id}`.
fn routed() -> BTreeSet<String> {
    let routes = ROUTERS.iter().flat_map(|router| router.split(".route(\"").skip(1));
    let route = |text: &str| {
        let (path, handler) = text.split_once("\", ").unwrap();
        format!("{} {path}", handler.split('(').next().unwrap())
    };
    routes.map(route).collect()
}

/// Each with its method and path; a path has one method here.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let one = |(path, item): (&String, &'_ Value)| {
        (path.clone(), item.as_object().unwrap().keys().cloned().collect::<Vec<_>>())
    };
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .map(one)
        .map(|(path, methods)| {
            let [method] = methods.as_slice() else { panic!("{path} has {methods:?}") };
            (format!("{method} {path}"), &document["paths"][&path][method])
        })
        .collect()
}

fn document() -> Value {
    serde_json::from_str(suikang_api::openapi::DOCUMENT).unwrap()
}

#[test]
fn the_document_has_the_routers_paths() {
    let document = document();
    let documented: BTreeSet<_> = operations(&document).into_iter().map(|(route, _)| route).collect();
    assert!(documented.len() > 15);
    assert_eq!(documented, routed());
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, visit: &mut impl FnMut(&str)) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, member)| match (name.as_str(), member) {
                ("$ref", Value::String(reference)) => visit(reference),
                _ => walk(member, visit),
            }),
            Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
            _ => {}
        }
    }
    let document = document();
    let mut referred = BTreeSet::new();
    walk(&document, &mut |reference| {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
        referred.insert(pointer.to_owned());
    });
    for kind in ["schemas", "responses"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(referred.contains(&format!("/components/{kind}/{name}")), "nothing refers to {name}");
        }
    }
}

#[test]
fn every_example_says_whose_token_it_needs_and_what_must_be_replaced() {
    let document = document();
    let operations = operations(&document);
    let names: BTreeSet<_> =
        operations.iter().map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), operations.len(), "names are unique");
    for (route, operation) in &operations {
        let needs_token = operation["security"].as_array().unwrap().iter().all(|one| one.get("bearer").is_some())
            && operation["security"] != Value::Array(Vec::new());
        assert_eq!(operation.get("x-role").is_some(), needs_token, "{route}");
        assert_eq!(operation.get("x-area").is_some(), needs_token, "{route}");
        if let Some(role) = operation.get("x-role") {
            assert!(role.as_str().unwrap().parse::<suikang_registry::Role>().is_ok(), "{route}");
        }
        let from = operation.get("x-from").and_then(Value::as_object).into_iter().flatten();
        for source in from.map(|(_, source)| source.as_str().unwrap()).filter(|source| *source != "now_ms") {
            let (operation_id, pointer) = source.split_once('#').unwrap();
            assert!(names.contains(operation_id) && pointer.starts_with('/'), "{route}: {source}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served() {
    let city = City::new().await;
    assert_eq!(city.send(get("/openapi.json")).await.json(), document());
}
