//! A declaration's identity: equal requests have equal ids, on whichever node they arrive.
//!
//! ```text
//! declaration id = 48 bits: the Idempotency-Key's milliseconds since 1970
//!                | 80 bits: HMAC-SHA-256(node secret, subject, key, SHA-256 of the body), cut
//! ```
//! Since an id carries its time and a key is refused when it is older than a day, whoever looks for repetitions remembers one day.

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use suikang_registry::caller::Caller;
use suikang_registry::http::Problem;
use suikang_schemas::{CommandId, DeclarationId, Subject};
use uuid::{Builder, Uuid};

/// How old a key may be.
const OLDEST_MS: i64 = 24 * 60 * 60 * 1000;
/// How far ahead of this node's clock a key may have been made.
const AHEAD_MS: i64 = 2 * 60 * 1000;

/// The header.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A UUIDv7 that a client sends again when it repeats a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(Uuid);

/// SHA-256 of a request's body, or of a batch's row.
pub(crate) type BodyDigest = [u8; 32];

/// What makes two requests the same one: who asks, the key, the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RequestId([u8; 32]);

impl IdempotencyKey {
    /// The client's key, if it sent one; it must be a UUIDv7, at most a day old and two minutes ahead.
    pub(crate) fn from_headers(headers: &HeaderMap, now_ms: i64) -> Result<Option<Self>, Problem> {
        let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
        let text = value.to_str().ok().filter(|_| headers.get_all(IDEMPOTENCY_KEY).iter().count() == 1);
        let uuid = text.and_then(|text| Uuid::try_parse(text).ok()).filter(|uuid| uuid.get_version_num() == 7);
        let key = uuid.map(Self).ok_or_else(not_a_key)?;
        if key.time_ms() < now_ms - OLDEST_MS {
            return Err(Problem::malformed("idempotency_key_too_old")
                .detail("Idempotency-Key 已超过 24 小时，请用新的 UUIDv7。 The Idempotency-Key is over 24 h old: make a new one."));
        }
        if key.time_ms() > now_ms + AHEAD_MS {
            return Err(Problem::malformed("idempotency_key_ahead").detail(
                "Idempotency-Key 的时间超前，请校准时钟。 The Idempotency-Key lies over 2 min ahead: set the clock.",
            ));
        }
        Ok(Some(key))
    }

    /// A new one, for a client that sent none.
    pub(crate) fn new(now_ms: i64) -> Self {
        Self(Builder::from_unix_timestamp_millis(now_ms.unsigned_abs(), &rand::random()).into_uuid())
    }

    fn time_ms(self) -> i64 {
        DeclarationId(self.0.into_bytes()).time_ms()
    }
}

fn not_a_key() -> Problem {
    Problem::malformed("not_an_idempotency_key")
        .detail("Idempotency-Key 应为一个 UUIDv7。 The Idempotency-Key must be one UUIDv7.")
}

/// The digest of a body.
pub(crate) fn digest(body: &[u8]) -> BodyDigest {
    Sha256::digest(body).into()
}

/// The id of a declaration.
pub(crate) fn declaration_id(
    secret: &[u8; 32],
    subject: Subject,
    key: IdempotencyKey,
    body: &BodyDigest,
) -> DeclarationId {
    let hash = keyed(secret, &[b"declaration", &subject.0, key.0.as_bytes(), body]);
    let mut id = [0; 16];
    id[..6].copy_from_slice(&key.0.as_bytes()[..6]);
    id[6..].copy_from_slice(&hash[..10]);
    DeclarationId(id)
}

/// The id of the command that adds or changes the person: a repetition, through any node, commands nothing new. A request that has to
/// command again, having lost against another one, does so in the next round.
pub(crate) fn command_id(
    secret: &[u8; 32],
    caller: &Caller,
    key: IdempotencyKey,
    body: &BodyDigest,
    round: usize,
) -> CommandId {
    let hash = keyed(secret, &[b"person", caller.login.as_bytes(), key.0.as_bytes(), body, &round.to_be_bytes()]);
    let bytes = std::array::from_fn(|at| hash[at]);
    CommandId(Builder::from_custom_bytes(bytes).into_uuid())
}

/// A subject for a document that is not to be registered any more; the same document always has the same.
pub(crate) fn unregistered_subject(secret: &[u8; 32], claim: &[u8; 32]) -> Subject {
    let hash = keyed(secret, &[b"unregistered", claim]);
    Subject(std::array::from_fn(|at| hash[at]))
}

impl RequestId {
    /// Of this caller's request with this key and body.
    pub(crate) fn new(caller: &Caller, key: IdempotencyKey, body: &BodyDigest) -> Self {
        let mut hash = Sha256::new();
        for part in [caller.role.as_str(), caller.area.as_str(), &caller.login] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.update(key.0.as_bytes());
        hash.update(body);
        Self(hash.finalize().into())
    }
}

/// HMAC-SHA-256 over the parts, each preceded by its length, so that no two lists of parts look alike.
fn keyed(secret: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&part.len().to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const NOW_MS: i64 = 1_582_732_800_000;

    fn header(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(IDEMPOTENCY_KEY.parse().unwrap(), HeaderValue::from_str(text).unwrap())])
    }

    fn key_at(ms: i64) -> String {
        IdempotencyKey::new(ms).0.to_string()
    }

    #[test]
    fn a_key_is_a_recent_uuid_of_version_7() {
        assert_eq!(IdempotencyKey::from_headers(&HeaderMap::new(), NOW_MS), Ok(None));
        for offset_ms in [-OLDEST_MS, 0, AHEAD_MS] {
            let key = IdempotencyKey::from_headers(&header(&key_at(NOW_MS + offset_ms)), NOW_MS);
            assert_eq!(key.unwrap().unwrap().time_ms(), NOW_MS + offset_ms);
        }
        let version_4 = "6f9619ff-8b86-4011-b42d-00c04fc964ff".to_owned();
        for (text, error_code) in [
            (key_at(NOW_MS - OLDEST_MS - 1), "idempotency_key_too_old"),
            (key_at(NOW_MS + AHEAD_MS + 1), "idempotency_key_ahead"),
            (version_4, "not_an_idempotency_key"),
            ("1".to_owned(), "not_an_idempotency_key"),
        ] {
            let refused = IdempotencyKey::from_headers(&header(&text), NOW_MS).unwrap_err();
            assert_eq!(refused.error_code(), error_code);
        }
        let mut twice = header(&key_at(NOW_MS));
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("x"));
        assert_eq!(IdempotencyKey::from_headers(&twice, NOW_MS).unwrap_err().error_code(), "not_an_idempotency_key");
    }

    #[test]
    fn an_id_tells_the_keys_time_and_depends_on_all_that_makes_a_request() {
        let (secret, subject, key) = ([1; 32], Subject([2; 16]), IdempotencyKey::new(NOW_MS));
        let id = declaration_id(&secret, subject, key, &[3; 32]);
        assert_eq!(id.time_ms(), NOW_MS);
        assert_eq!(id, declaration_id(&secret, subject, key, &[3; 32]));
        for other in [
            declaration_id(&[9; 32], subject, key, &[3; 32]),
            declaration_id(&secret, Subject([9; 16]), key, &[3; 32]),
            declaration_id(&secret, subject, IdempotencyKey::new(NOW_MS), &[3; 32]),
            declaration_id(&secret, subject, key, &[9; 32]),
        ] {
            assert_ne!(id, other);
        }
    }
}
