//! A refusal is made of the server's own words and names the place: nothing that was sent is in it.
//!
//! Every text of a problem document is, as a whole, a literal in the source of the doors, their tests and comments left out. Pointers apart:
//! they consist of numbers, `…` and lower-case words, which is what a field's name may be.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

/// Where the words of refusals are.
const FOLDERS: [&str; 2] = ["../ingest/src", "../registry/src/http"];
/// What a name in a pointer may have, in bytes.
const NAME_BYTES: usize = 40;

static SOURCES: LazyLock<String> = LazyLock::new(|| {
    let mut sources = String::new();
    FOLDERS.iter().for_each(|folder| read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut sources));
    sources
});

thread_local! {
    /// Texts that were found: looking through all sources takes longer than most requests.
    static FOUND: RefCell<HashSet<String>> = RefCell::default();
}

fn read(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).expect("the sources that this was built from") {
        let path = entry.expect("a file of the sources").path();
        if path.is_dir() {
            read(&path, sources);
        } else if !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            sources
                .extend(code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]));
        }
    }
}

/// Checks a problem document.
///
/// # Panics
/// If a text in it is not the server's own, or it is about the content and names no field.
pub fn assert_own_words(problem: &Value) {
    let error_code = problem["error_code"].as_str().expect("a refusal has its code");
    assert_eq!(problem["type"], format!("urn:suikang:problem:{error_code}"));
    if error_code.starts_with("invalid_") || error_code == "malformed_json" {
        assert!(problem["errors"].as_array().is_some_and(|errors| !errors.is_empty()), "{error_code} names no field");
    }
    for (name, value) in problem.as_object().expect("a document").iter().filter(|(name, _)| *name != "type") {
        assert_own(name, value);
    }
}

fn assert_own(name: &str, value: &Value) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| assert_own(name, value)),
        Value::Array(items) => items.iter().for_each(|item| assert_own(name, item)),
        Value::String(pointer) if name == "pointer" => assert_pointer(pointer),
        Value::String(text) => assert!(is_literal(text), "a refusal says {text:?} as its {name}"),
        _ => {}
    }
}

fn assert_pointer(pointer: &str) {
    let Some(steps) = pointer.strip_prefix('/') else { return assert_eq!(pointer, "", "a pointer begins with /") };
    for step in steps.split('/') {
        let is_name = step.len() <= NAME_BYTES && step.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(is_name || step == "…" || step.parse::<u16>().is_ok(), "a refusal points to {step:?}");
    }
}

fn is_literal(text: &str) -> bool {
    FOUND.with_borrow_mut(|found| {
        let known = found.contains(text) || SOURCES.contains(&format!("\"{text}\""));
        if known {
            found.insert(text.to_owned());
        }
        known
    })
}
