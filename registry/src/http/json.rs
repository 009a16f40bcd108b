//! JSON bodies, read strictly: what passes is one JSON value that two parsers can't read differently, and it has the type asked for.
//!
//! Refused before any field is looked at: too many bytes (413), another content type (415), too slow a client (408); then with 400 and the place, never the
//! value: invalid UTF-8, NUL, a name twice in one object, more than [`MOST_DEEP`] levels, trailing bytes, wrong types.
//! What a name or an address may contain (direction overrides, four-byte characters) is its newtype's business, not this door's.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::problem::{FieldError, Problem};

/// Levels of arrays and objects.
pub const MOST_DEEP: usize = 32;

/// How long a client may take to send a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A body of at most `LIMIT_BYTES`, sent within [`BODY_TIMEOUT`], that is strict JSON for a `T`.
#[derive(Debug, Clone, Copy)]
pub struct StrictJson<T, const LIMIT_BYTES: usize = { 64 * 1024 }>(pub T);

impl<T: DeserializeOwned, S: Send + Sync, const LIMIT_BYTES: usize> FromRequest<S> for StrictJson<T, LIMIT_BYTES> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(&request) {
            return Err(Problem::unsupported_type("application/json"));
        }
        refuse_encoded(request.headers())?;
        let body = tokio::time::timeout(BODY_TIMEOUT, read_body(request, LIMIT_BYTES)).await;
        let bytes = body.map_err(|_| Problem::too_slow())??;
        parse(&bytes).map(Self).map_err(Problem::from)
    }
}

/// Refuses compressed bodies: nothing here unpacks.
pub fn refuse_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Problem::unsupported_type("Content-Encoding: identity")),
        _ => Ok(()),
    }
}

/// The whole body, if it has at most this many bytes; never holds more.
async fn read_body(request: Request, limit_bytes: usize) -> Result<Bytes, Problem> {
    // The header is believed only where it says too much; the count below holds whatever it says.
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > limit_bytes as u64) {
        return Err(Problem::too_large(limit_bytes));
    }
    match Limited::new(request.into_body(), limit_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(limit_bytes)),
        Err(_) => Err(Problem::malformed("incomplete_body")),
    }
}

fn is_json(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.map(|text| text.split(';').next().unwrap_or(text).trim());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

/// Why bytes are not strict JSON for the type asked for, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at {pointer:?}")]
pub struct JsonError {
    /// The place, as a JSON pointer; empty for the whole.
    pub pointer: String,
    /// What is wrong there.
    pub kind: JsonErrorKind,
}

/// What is wrong with a piece of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON.
    NotJson,
    /// A NUL in a text.
    Nul,
    /// The same name twice in one object.
    DuplicateName,
    /// More than [`MOST_DEEP`] levels.
    TooDeep,
    /// JSON, but not what belongs there: another type, a missing or an unknown field.
    WrongType,
}

impl JsonErrorKind {
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::NotUtf8 => ("not_utf8", "不是 UTF-8 编码", "not UTF-8"),
            Self::NotJson => ("not_json", "不是 JSON", "not JSON"),
            Self::Nul => ("nul", "含有空字符", "contains NUL"),
            Self::DuplicateName => ("duplicate_name", "同名字段重复", "a name stands twice in one object"),
            Self::TooDeep => ("too_deep", "嵌套过深", "nested too deep"),
            Self::WrongType => ("wrong_type", "类型不符、缺少或多余字段", "of a wrong type, missing, or unknown"),
        }
    }
}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().2)
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Problem {
        let (error_code, zh, en) = error.kind.words();
        Problem::malformed("malformed_json").error(FieldError::new(error.pointer, error_code, zh, en))
    }
}

/// Reads a value from strict JSON; also for the lines of a batch.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    parse_text(std::str::from_utf8(bytes).map_err(|_| at_top(JsonErrorKind::NotUtf8))?)
}

/// The same, faster, for a type that is closed: each of its objects is a struct that denies unknown fields. Then serde itself refuses a
/// name twice, and whatever is deeper than the type; NUL comes only by its escape. What this way refuses is read again, to say why.
pub fn parse_closed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| at_top(JsonErrorKind::NotUtf8))?;
    match serde_json::from_str(text) {
        Ok(value) if !text.contains("\\u0000") => Ok(value),
        _ => parse_text(text),
    }
}

fn parse_text<T: DeserializeOwned>(text: &str) -> Result<T, JsonError> {
    check(text)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = error.path().iter().fold(String::new(), |pointer, segment| match segment {
            serde_path_to_error::Segment::Seq { index } => format!("{pointer}/{index}"),
            serde_path_to_error::Segment::Map { key } => push_name(pointer, key),
            _ => pointer,
        });
        JsonError { pointer, kind: JsonErrorKind::WrongType }
    })
}

fn at_top(kind: JsonErrorKind) -> JsonError {
    JsonError { pointer: String::new(), kind }
}

/// Names come from the client: one that isn't a plain word is shown as `…`, for it might be a value put in a wrong place.
fn push_name(mut pointer: String, name: &str) -> String {
    let plain = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    pointer.push('/');
    pointer.push_str(if plain { name } else { "…" });
    pointer
}

/// Walks the text once: syntax, names, depth, NUL.
fn check(text: &str) -> Result<(), JsonError> {
    let mut walk = Walk { pointer: Vec::new(), refused: None };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let walked = Value { walk: &mut walk }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (walked, walk.refused) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(error)) => Err(error),
        (Err(_), None) => Err(at_top(JsonErrorKind::NotJson)),
    }
}

struct Walk {
    pointer: Vec<Step>,
    refused: Option<JsonError>,
}

enum Step {
    Index(usize),
    Name(String),
}

impl Walk {
    fn refuse<E: serde::de::Error>(&mut self, kind: JsonErrorKind) -> E {
        let pointer = self.pointer.iter().fold(String::new(), |pointer, step| match step {
            Step::Index(index) => format!("{pointer}/{index}"),
            Step::Name(name) => push_name(pointer, name),
        });
        self.refused = Some(JsonError { pointer, kind });
        E::custom("refused")
    }

    fn check_depth<E: serde::de::Error>(&mut self) -> Result<(), E> {
        // The pointer has a step for each array or object around the one that begins here.
        if self.pointer.len() >= MOST_DEEP { Err(self.refuse(JsonErrorKind::TooDeep)) } else { Ok(()) }
    }

    fn check_text<E: serde::de::Error>(&mut self, text: &str) -> Result<(), E> {
        if text.as_bytes().contains(&0) { Err(self.refuse(JsonErrorKind::Nul)) } else { Ok(()) }
    }
}

struct Value<'w> {
    walk: &'w mut Walk,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.walk.check_text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.walk.check_depth()?;
        for index in 0.. {
            self.walk.pointer.push(Step::Index(index));
            let item = items.next_element_seed(Value { walk: &mut *self.walk })?;
            self.walk.pointer.pop();
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        self.walk.check_depth()?;
        let mut names: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(name) = fields.next_key::<Name<'de>>()? {
            self.walk.check_text(&name.0)?;
            self.walk.pointer.push(Step::Name(name.0.to_string()));
            if !names.insert(name.0) {
                return Err(self.walk.refuse(JsonErrorKind::DuplicateName));
            }
            fields.next_value_seed(Value { walk: &mut *self.walk })?;
            self.walk.pointer.pop();
        }
        Ok(())
    }
}

/// A name, borrowed where the text has it without escapes.
#[derive(serde::Deserialize)]
struct Name<'n>(#[serde(borrow)] Cow<'n, str>);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Person {
        name: String,
        phones: Vec<u64>,
    }

    fn refused(json: &str) -> (String, JsonErrorKind) {
        let error = parse::<serde_json::Value>(json.as_bytes()).unwrap_err();
        (error.pointer, error.kind)
    }

    #[test]
    fn legitimate_text_comes_through_unchanged() {
        // Four-byte characters and direction marks are for the newtypes to judge.
        let person: Person = parse("{\"name\": \"\u{20BB7}\u{202E}李\", \"phones\": [1, 2]}".as_bytes()).unwrap();
        assert_eq!(person, Person { name: "\u{20BB7}\u{202E}李".to_owned(), phones: vec![1, 2] });
    }

    #[test]
    fn each_kind_is_refused_at_its_place() {
        assert_eq!(parse::<Person>(b"{\"name\": \"\xff\"}").unwrap_err().kind, JsonErrorKind::NotUtf8);
        assert_eq!(refused(r#"{"person": {"name": "a\u0000b"}}"#), ("/person/name".to_owned(), JsonErrorKind::Nul));
        assert_eq!(
            refused(r#"{"a": [1, {"b": 1, "\u0062": 2}]}"#),
            ("/a/1/b".to_owned(), JsonErrorKind::DuplicateName)
        );
        for text in ["", "{", "[1,]", "{} {}", "nul", r#"{"a": "\ud800"}"#, "NaN", "'a'"] {
            assert_eq!(refused(text), (String::new(), JsonErrorKind::NotJson), "{text}");
        }
    }

    #[test]
    fn wrong_types_are_named_but_never_echoed() {
        let wrong = |json: &str| parse::<Person>(json.as_bytes()).unwrap_err();
        assert_eq!(wrong(r#"{"name": "x", "phones": [1, "13800138000"]}"#).pointer, "/phones/1");
        let unknown = wrong(r#"{"name": "x", "phones": [], "110105194912310021": 1}"#);
        assert_eq!((unknown.pointer.as_str(), unknown.kind), ("/…", JsonErrorKind::WrongType));
        for json in [r#"{"name": "x", "phones": [1, "13800138000"]}"#, r#"{"13800138000": 1}"#] {
            assert!(!Problem::from(wrong(json)).to_value().to_string().contains("13800138000"), "{json}");
        }
    }

    #[test]
    fn a_closed_type_is_read_alike_both_ways() {
        for json in [
            "{\"name\": \"𠮷\", \"phones\": [1, 2]}",
            "{\"name\": \"\\u4e00\\n\", \"phones\": []}",
            "[\"x\", [1]]",
            "{\"name\": \"a\\u0000b\", \"phones\": []}",
            "{\"name\": \"\\\\u0000\", \"phones\": []}",
            "{\"name\": \"a\u{0}b\", \"phones\": []}",
            "{\"name\": \"a\", \"na\\u006de\": \"b\", \"phones\": []}",
            "{\"name\": \"a\", \"phones\": [], \"phones\": []}",
            "{\"name\": \"a\", \"phones\": []} 1",
            "{\"name\": \"\\ud800\", \"phones\": []}",
            "{\"name\": \"a\"}",
            "",
        ] {
            assert_eq!(parse_closed::<Person>(json.as_bytes()), parse(json.as_bytes()), "{json}");
        }
        assert_eq!(parse_closed::<Person>(b"\xff"), parse(b"\xff"));
        assert!(parse_closed::<Person>("{\"name\": \"\\\\u0000\", \"phones\": []}".as_bytes()).is_ok());
        let nul = parse_closed::<Person>("{\"name\": \"a\\u0000b\", \"phones\": []}".as_bytes());
        assert_eq!(nul.unwrap_err().kind, JsonErrorKind::Nul);
    }

    #[test]
    fn depth_is_counted_in_levels() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse::<serde_json::Value>(nested(MOST_DEEP).as_bytes()).is_ok());
        assert_eq!(refused(&nested(MOST_DEEP + 1)).1, JsonErrorKind::TooDeep);
        let objects = format!("{}1{}", "{\"a\":".repeat(MOST_DEEP + 1), "}".repeat(MOST_DEEP + 1));
        assert_eq!(refused(&objects).1, JsonErrorKind::TooDeep);
    }

    #[test]
    fn a_hundred_thousand_levels_are_refused_at_the_thirty_third() {
        let hostile = "[".repeat(100_000);
        let begun = Instant::now();
        assert_eq!(refused(&hostile).1, JsonErrorKind::TooDeep);
        // Microseconds are expected; the bound only tells stopping early from walking it all.
        assert!(begun.elapsed().as_millis() < 100, "{:?}", begun.elapsed());
    }
}
