//! `GET /openapi.json` taken at its word: every example is sent to a living city, and every answer is what the document says.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{DemoCity, demo_city, http};

/// Answers by the operation that gave them.
type Answers = BTreeMap<String, Value>;

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_document_works() {
    let city = demo_city().await;
    let text = http().get(format!("{}/openapi.json", city.url)).send().await.unwrap().text().await.unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut answers = Answers::new();
    // Values come from operations with names of their own, so whoever supplies one goes first.
    let mut waiting: Vec<(&str, &str, &Value)> = operations(&document);
    assert!(waiting.len() > 15);
    while !waiting.is_empty() {
        let (ready, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, _, operation)| suppliers(operation).all(|name| answers.contains_key(name)));
        assert!(!ready.is_empty(), "nobody supplies what these need: {later:?}");
        for (path, method, operation) in ready {
            try_operation(city, &document, path, method, operation, &mut answers).await;
        }
        waiting = later;
    }
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            all.push((path.as_str(), method.as_str(), operation));
        }
    }
    all
}

/// What must be replaced in an example, and by what.
fn sources(operation: &Value) -> impl Iterator<Item = (&str, &str)> {
    let from = operation.get("x-from").and_then(Value::as_object);
    from.into_iter().flatten().map(|(place, source)| (place.as_str(), source.as_str().unwrap()))
}

fn suppliers(operation: &Value) -> impl Iterator<Item = &str> {
    sources(operation).filter_map(|(_, source)| source.split_once('#')).map(|(name, _)| name)
}

fn value(source: &str, answers: &Answers) -> Value {
    match source.split_once('#') {
        None => chrono::Utc::now().timestamp_millis().into(),
        Some((name, pointer)) => {
            answers[name].pointer(pointer).unwrap_or_else(|| panic!("no {pointer} from {name}")).clone()
        }
    }
}

async fn try_operation(
    city: &DemoCity,
    document: &Value,
    path: &str,
    method: &str,
    operation: &Value,
    answers: &mut Answers,
) {
    let replaced: BTreeMap<_, _> = sources(operation).map(|(place, source)| (place, value(source, answers))).collect();
    let mut url = format!("{}{path}", city.url);
    let mut headers = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let Some(example) = replaced.get(name).or_else(|| parameter.get("example")) else { continue };
        let example = example.as_str().unwrap();
        match parameter["in"].as_str().unwrap() {
            "path" => url = url.replace(&format!("{{{name}}}"), example),
            "header" => headers.push((name, example.to_owned())),
            other => panic!("{path}: no example is sent in the {other}"),
        }
    }
    if let Some(role) = operation["x-role"].as_str() {
        let token = city.token(role, operation["x-area"].as_str().unwrap(), "openapi");
        headers.push(("Authorization", format!("Bearer {token}")));
    }
    let none = Map::new();
    let bodies = operation["requestBody"]["content"].as_object().unwrap_or(&none);
    let mut examples: Vec<_> = bodies.iter().map(|(kind, body)| (kind.as_str(), body["example"].clone())).collect();
    if examples.is_empty() {
        examples.push(("", Value::Null));
    }
    for (kind, mut example) in examples {
        let mut request = http().request(method.to_uppercase().parse().unwrap(), &url);
        for (name, text) in &headers {
            request = request.header(*name, text);
        }
        if !kind.is_empty() {
            for (place, value) in replaced.iter().filter(|(place, _)| place.starts_with('/')) {
                *example.pointer_mut(place).unwrap_or_else(|| panic!("{path}: no {place}")) = value.clone();
            }
            let body = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            request = request.header("Content-Type", kind).body(body);
        }
        let answer = request.send().await.unwrap();
        let (status, answered) = (answer.status().as_u16().to_string(), answer.headers()["content-type"].clone());
        let body = answer.bytes().await.unwrap();
        let said = String::from_utf8_lossy(&body);
        let successes = operation["responses"].as_object().unwrap().keys().filter(|status| status.starts_with('2'));
        assert_eq!(Some(&status), successes.min(), "{method} {path} {kind}: {said}");
        let media_type = answered.to_str().unwrap().split(';').next().unwrap().trim().to_owned();
        let content = &operation["responses"][&status]["content"];
        let documented =
            content.get(&media_type).unwrap_or_else(|| panic!("{method} {path}: {media_type} is not told"));
        assert!(!body.is_empty(), "{method} {path}");
        if media_type == "application/x-ndjson" {
            assert!(!said.contains("\"problem\""), "{path}: {said}");
        }
        if media_type == "application/json" {
            let json: Value = serde_json::from_slice(&body).unwrap();
            require(document, &documented["schema"], &json, path);
            answers.insert(operation["operationId"].as_str().unwrap().to_owned(), json);
        }
    }
}

/// Every field that the document requires is there, as deep as it tells.
fn require(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}"));
        return require(document, target, value, at);
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        assert!(value.get(name).is_some(), "{at}: no {name} in {value}");
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(member) = value.get(name) {
            require(document, inner, member, &format!("{at}/{name}"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        require(document, &schema["items"], item, &format!("{at}/{index}"));
    }
}
