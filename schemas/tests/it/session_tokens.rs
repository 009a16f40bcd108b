//! `session-token.json`: tokens as the door takes them or not. Version 1 stays what it is.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use suikang_schemas::token::{SessionToken, TokenError};

use crate::cbor::{bytes, int, map, text};
use crate::signing::{DAY_S, Key, NOW_S, items, items_for, protected, sign1};
use crate::vectors::{self, NamedList, lines, members, must_be, named_lists, value};

const FILE: &str = "session-token.json";
const AAD: &[u8] = b"suikang session token";

const ABOUT: [&str; 2] = [
    "Session tokens and what the server makes of them. Made and checked by schemas/tests/it; don't edit by hand.",
    "A case's text is verified with the key list city at now_ms. It is either this token, or gives this error.",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: Vec<String>,
    root_public_key: String,
    key_lists: BTreeMap<String, NamedList>,
    cases: Vec<Case>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: String,
    now_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    login: String,
    role: String,
    area: suikang_schemas::AreaCode,
    issued_at_s: i64,
    expires_at_s: i64,
    token_id: String,
}

impl From<SessionToken> for Token {
    fn from(token: SessionToken) -> Self {
        let SessionToken { login, role, area, issued_at_s, expires_at_s, token_id } = token;
        Self { login, role, area, issued_at_s, expires_at_s, token_id: hex::encode(token_id) }
    }
}

fn token() -> SessionToken {
    SessionToken {
        login: "tianhe-analyst".to_owned(),
        role: "district_analyst".to_owned(),
        area: "440106".parse().unwrap(),
        issued_at_s: NOW_S,
        expires_at_s: NOW_S + 8 * 3600,
        token_id: [3; 16],
    }
}

fn by(key: Key, token: &SessionToken) -> String {
    token.sign(key.id(), |bytes| key.sign(bytes))
}

fn claims(area: Vec<u8>) -> Vec<u8> {
    let token = token();
    map(&[
        (int(2), text(&token.login)),
        (int(4), int(token.expires_at_s)),
        (int(6), int(token.issued_at_s)),
        (int(7), bytes(&token.token_id)),
        (int(-65_538), text(&token.role)),
        (int(-65_539), area),
    ])
}

fn to_text(bytes: &[u8]) -> String {
    format!("sk1.{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn cases() -> Vec<Case> {
    let text = by(Key::SessionToken, &token());
    let cose = URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
    let padded = format!("sk1.{}", URL_SAFE.encode(&cose));
    assert!(padded.ends_with('='), "another length of the login would do");
    let good = |name: &str, now_ms: i64| Case {
        name: name.to_owned(),
        text: text.clone(),
        now_ms,
        token: Some(token().into()),
        error: None,
    };
    let bad_at = |error: &str, name: &str, now_ms: i64, text: &str| Case {
        name: name.to_owned(),
        text: text.to_owned(),
        now_ms,
        token: None,
        error: Some(error.to_owned()),
    };
    let bad = |error: &str, name: &str, text: &str| bad_at(error, name, NOW_S * 1000, text);
    let header = protected(Key::SessionToken.id());
    let area = || self::text("440106");
    let content = |payload: &[u8]| to_text(&sign1(&items_for(Key::SessionToken, &header, AAD, payload)));
    let promoted = SessionToken { role: "operator".to_owned(), ..token() };
    let mut altered = items_for(Key::SessionToken, &header, AAD, &claims(area()));
    altered[2] = bytes(&claims(self::text("4401")));
    vec![
        good("in its time", NOW_S * 1000),
        good("issued two minutes ahead", (NOW_S - 120) * 1000),
        good("in its last millisecond", (NOW_S + 8 * 3600) * 1000 - 1),
        bad_at("not_yet_valid", "issued further ahead", (NOW_S - 120) * 1000 - 1, &text),
        bad_at("expired", "in the millisecond it ends", (NOW_S + 8 * 3600) * 1000, &text),
        bad_at("unknown_key", "after its key's time", (NOW_S + 40 * DAY_S) * 1000, &text),
        bad("unknown_key", "by a key for pass codes", &by(Key::City, &token())),
        bad("unknown_key", "by a key for bundles", &by(Key::Bundle, &token())),
        bad("unknown_key", "by a key that no list has", &by(Key::Unlisted, &token())),
        bad(
            "forged",
            "in the name of another key",
            &token().sign(Key::SessionToken.id(), |bytes| Key::City.sign(bytes)),
        ),
        bad(
            "forged",
            "signed as a pass code is",
            &to_text(&sign1(&items(Key::SessionToken, &header, &claims(area())))),
        ),
        bad("forged", "made the whole city's", &to_text(&sign1(&altered))),
        bad(
            "forged",
            "made an operator by its holder",
            &promoted.sign(Key::SessionToken.id(), |bytes| Key::Unlisted.sign(bytes)),
        ),
        bad("malformed", "an area that is none", &content(&claims(self::text("Tianhe")))),
        bad("malformed", "no claims", &content(&map(&[]))),
        bad("malformed", "claims out of order", &content(&map(&[(int(6), int(NOW_S)), (int(4), int(NOW_S))]))),
        bad("malformed", "nothing", ""),
        bad("malformed", "the prefix alone", "sk1."),
        bad("malformed", "without the prefix", &text[4..]),
        bad("malformed", "the prefix in capitals", &format!("SK1.{}", &text[4..])),
        bad("malformed", "with padding", &padded),
        bad("malformed", "in the other alphabet", &format!("sk1.{}", STANDARD_NO_PAD.encode([0xfb, 0xff]))),
        bad("malformed", "a byte after it", &to_text(&[cose.as_slice(), &[0]].concat())),
        bad("malformed", "a space after it", &format!("{text} ")),
        bad("malformed", "without its tag", &to_text(&cose[1..])),
        bad("malformed", "longer than is read", &format!("sk1.{}", "A".repeat(1100))),
    ]
}

#[test]
fn the_file_is_what_is_made_here() {
    let city = named_lists().into_iter().filter(|(name, _)| name == "city");
    must_be(
        FILE,
        &[
            ("about", lines(ABOUT)),
            ("root_public_key", value(hex::encode(Key::Root.public_key()))),
            ("key_lists", members(city)),
            ("cases", lines(cases())),
        ],
    );
}

#[test]
fn every_case_of_the_file_is_taken_for_what_it_is() {
    let file: File = serde_json::from_str(&vectors::read(FILE)).unwrap();
    let key_list = file.key_lists["city"].verified(&file.root_public_key);
    for case in &file.cases {
        let (token, error) = match SessionToken::verify(&case.text, &key_list, case.now_ms) {
            Ok(token) => (Some(token.into()), None),
            Err(error) => (None, Some(word(error))),
        };
        assert_eq!((&token, error), (&case.token, case.error.as_deref()), "{}", case.name);
    }
}

fn word(error: TokenError) -> &'static str {
    match error {
        TokenError::Malformed => "malformed",
        TokenError::UnknownKey => "unknown_key",
        TokenError::Forged => "forged",
        TokenError::Expired => "expired",
        TokenError::NotYetValid => "not_yet_valid",
    }
}
