//! Any text as a pass code: reading never panics, what is read has one spelling, and what verifies is one of the codes that were signed.

use std::sync::LazyLock;

use suikang_schemas::{cose, pass_code};

use crate::vectors::{self, NOW_MS, Vectors};

static VECTORS: LazyLock<Vectors> = LazyLock::new(vectors::read);

/// Puts it to the target.
///
/// # Panics
/// If what must hold doesn't.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = pass_code::from_text(text);
    let verified = pass_code::verify(text, &VECTORS.key_list, NOW_MS);
    let Ok(read) = read else {
        assert!(verified.is_err(), "verified, and cannot be read");
        return;
    };
    assert_eq!(written_again(text).as_deref(), Some(text), "one code, two spellings");
    if let Ok(verified) = verified {
        assert!(VECTORS.texts.iter().any(|signed| signed == text), "a forged code verifies");
        assert_eq!(verified.claims.code_id, read.code_id());
    }
}

/// The text once it was read and is written again with the signature that it carries.
fn written_again(text: &str) -> Option<String> {
    let bytes = bytes_of(text)?;
    let opened = cose::open(&bytes).ok()?;
    let signature = *bytes.last_chunk::<64>()?;
    Some(pass_code::to_text(&cose::sign1(opened.key_id, &opened.payload, &[], |_| signature)))
}

/// What a code's text says in Base45.
pub fn bytes_of(text: &str) -> Option<Vec<u8>> {
    base45::decode(text.strip_prefix(pass_code::PREFIX)?).ok()
}
