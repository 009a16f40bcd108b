//! The published pass codes, genuine and not, and the keys that they are verified with: `schemas/vectors/pass-code.json`.
//!
//! All that the keys ever signed is in there, so whatever else verifies is forged.

use serde_json::Value;
use suikang_schemas::key_list::KeyList;

/// When most of the vectors are verified: 27 February 2020, 15:53:20 in Guangzhou.
pub const NOW_MS: i64 = 1_582_790_000_000;

/// Pass codes, and whom to trust.
pub struct Vectors {
    /// Every key of the vectors: in use, revoked, expired, of another purpose, and weak ones.
    pub key_list: KeyList,
    /// The texts.
    pub texts: Vec<String>,
}

/// Reads the file.
///
/// # Panics
/// If it isn't what `schemas/tests` make it.
pub fn read() -> Vectors {
    let file: Value = serde_json::from_str(include_str!("../../schemas/vectors/pass-code.json")).expect("JSON");
    let bytes = |value: &Value| hex::decode(value.as_str().expect("a text")).expect("hex");
    let root_public_key = bytes(&file["root_public_key"]).try_into().expect("32 bytes");
    let list = |name: &str| KeyList::verify(&bytes(&file["key_lists"][name]["signed"]), &root_public_key);
    let mut key_list = list("city").expect("the city's list");
    key_list.entries.extend(list("weak").expect("the list of weak keys").entries);
    let cases = file["cases"].as_array().expect("cases");
    let texts = cases.iter().map(|case| case["text"].as_str().expect("a text").to_owned()).collect();
    Vectors { key_list, texts }
}
