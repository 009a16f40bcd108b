//! Entity tags (RFC 9110): equal figures have equal tags, so that a client that asks every minute is answered with nothing while nothing
//! changes. Weak, for the time at which the figures were looked at is no part of them.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use axum::http::{HeaderMap, header};

/// The tag of these figures.
pub(super) fn of(figures: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    figures.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// Whether the client has what this tag names.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let sent = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    sent.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_tag_is_found_among_others_weak_or_strong() {
        let etag = of(&("a", 1));
        assert_ne!(etag, of(&("a", 2)));
        let known = |sent: String| {
            is_known(&HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::try_from(sent).unwrap())]), &etag)
        };
        assert!(known(etag.clone()) && known(etag.trim_start_matches("W/").to_owned()) && known("*".to_owned()));
        assert!(known(format!("\"x\", {etag}")));
        assert!(!known("\"x\"".to_owned()) && !known(String::new()));
        assert!(!is_known(&HeaderMap::new(), &etag));
    }
}
